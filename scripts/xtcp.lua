-- SPDX-License-Identifier: GPL-2.0
--
-- xtcp.lua: Wireshark and tshark show xtcp's native wire (IP protocol 253) as TCP.
--
--   tshark -X lua_script:xtcp.lua -r capture.pcap
--
-- A segment gets a tree "xtcp" with what TCP does not have (the checksum's protocol
-- number, the lossless cookie, the token of stateless TIME-WAIT), and then Wireshark's own
-- TCP dissector. That dissector computes each checksum with protocol number 6. It is
-- therefore given a copy of the segment whose checksum is adjusted from 253 to 6: a right
-- checksum stays right and a wrong one wrong. wire.rst describes the wire.

local PROTOCOL = 253		-- IP protocol of the native wire
local TCP = 6
local HEADER = 20		-- bytes of a TCP header without options
local CHECKSUM_AT = 16

local KIND_END, KIND_NOP, KIND_EXPERIMENT = 0, 1, 253
local EXID_COOKIE, EXID_TOKEN = 0x5843, 0x5854
local COOKIE_LENGTH, TOKEN_LENGTH = 20, 16

local xtcp = Proto("xtcp", "xtcp, native wire")
local f = xtcp.fields
local onoff = { "on", "off" }

f.checksum = ProtoField.uint16("xtcp.checksum", "Checksum, with protocol 253", base.HEX)
f.cookie = ProtoField.bytes("xtcp.cookie", "Lossless cookie")
f.cookie_mss = ProtoField.uint16("xtcp.cookie.mss", "MSS", base.DEC)
f.cookie_peer_shift = ProtoField.uint8("xtcp.cookie.peer_shift", "Window scale of the client (15: none)",
	base.DEC, nil, 0xf0)
f.cookie_own_shift = ProtoField.uint8("xtcp.cookie.own_shift", "Window scale of the server (15: none)",
	base.DEC, nil, 0x0f)
f.cookie_minute = ProtoField.uint8("xtcp.cookie.minute", "Minute, modulo 16", base.DEC, nil, 0xf0)
f.cookie_accecn = ProtoField.bool("xtcp.cookie.accecn", "Accurate ECN", 8, onoff, 0x08)
f.cookie_ecn = ProtoField.bool("xtcp.cookie.ecn", "ECN", 8, onoff, 0x04)
f.cookie_sack = ProtoField.bool("xtcp.cookie.sack", "SACK", 8, onoff, 0x02)
f.cookie_timestamps = ProtoField.bool("xtcp.cookie.timestamps", "Timestamps", 8, onoff, 0x01)
f.cookie_seq = ProtoField.uint32("xtcp.cookie.seq", "Sequence number of the client's SYN", base.DEC)
f.cookie_mac = ProtoField.bytes("xtcp.cookie.mac", "MAC")
f.token = ProtoField.bytes("xtcp.token", "Token of stateless TIME-WAIT")
f.token_expires = ProtoField.uint24("xtcp.token.expires", "Expires, 256 ms of the timestamp clock", base.DEC)
f.token_dscp = ProtoField.uint8("xtcp.token.dscp", "DSCP", base.DEC, nil, 0xfc)
f.token_plain = ProtoField.bool("xtcp.token.plain", "Timestamps without offset", 8, onoff, 0x01)
f.token_mac = ProtoField.bytes("xtcp.token.mac", "MAC")

local e_cut = ProtoExpert.new("xtcp.options.malformed", "Malformed option: it ends the list",
	expert.group.MALFORMED, expert.severity.ERROR)
local e_length = ProtoExpert.new("xtcp.option.length", "Wrong length: xtcp ignores the option",
	expert.group.MALFORMED, expert.severity.ERROR)
xtcp.experts = { e_cut, e_length }

-- RFC 1624 (3): the checksum if @TCP were the protocol.
local function checksum_adjusted(checksum)
	local sum = (0xffff - checksum) + (0xffff - PROTOCOL) + TCP

	while sum > 0xffff do
		sum = sum % 0x10000 + math.floor(sum / 0x10000)
	end
	return 0xffff - sum
end

-- The segment for the TCP dissector. One that was not captured whole stays as it is:
-- its checksum cannot be verified anyway.
local function segment_for_tcp(tvb)
	local whole = tvb:captured_len() == tvb:reported_len()
	local bytes, checksum

	if not whole or tvb:captured_len() < HEADER then
		return tvb
	end
	checksum = checksum_adjusted(tvb(CHECKSUM_AT, 2):uint())
	bytes = tvb:bytes()
	bytes:set_index(CHECKSUM_AT, math.floor(checksum / 256))
	bytes:set_index(CHECKSUM_AT + 1, checksum % 256)
	return bytes:tvb("Segment, checksum adjusted to protocol 6")
end

local function cookie_show(range, tree)
	local t = tree:add(f.cookie, range)

	t:add(f.cookie_mss, range(4, 2))
	t:add(f.cookie_peer_shift, range(6, 1))
	t:add(f.cookie_own_shift, range(6, 1))
	t:add(f.cookie_minute, range(7, 1))
	t:add(f.cookie_accecn, range(7, 1))
	t:add(f.cookie_ecn, range(7, 1))
	t:add(f.cookie_sack, range(7, 1))
	t:add(f.cookie_timestamps, range(7, 1))
	t:add(f.cookie_seq, range(8, 4))
	t:add(f.cookie_mac, range(12, 8))
end

local function token_show(range, tree)
	local t = tree:add(f.token, range)

	t:add(f.token_expires, range(4, 3))
	t:add(f.token_dscp, range(7, 1))
	t:add(f.token_plain, range(7, 1))
	t:add(f.token_mac, range(8, 8))
end

local experiments = {
	[EXID_COOKIE] = { name = "Lossless cookie", length = COOKIE_LENGTH, show = cookie_show },
	[EXID_TOKEN] = { name = "Token of stateless TIME-WAIT", length = TOKEN_LENGTH, show = token_show },
}

-- An option of kind 253 as xtcp understands it (RFC 6994). Those of others are left to
-- the TCP dissector.
local function experiment_show(range, tree)
	local known = range:len() >= 4 and experiments[range(2, 2):uint()]

	if not known then
		return
	end
	if range:len() == known.length then
		known.show(range, tree)
	else
		tree:add_tvb_expert_info(e_length, range, string.format(
			"%s with length %d, not %d: xtcp ignores it", known.name, range:len(), known.length))
	end
end

-- As the engine parses them: an option with length 0 or 1, or beyond the header, ends the
-- list. What the capture has cut off is no fault of the sender.
local function options_show(tvb, tree)
	local header = math.floor(tvb(12, 1):uint() / 16) * 4
	local at, kind, length = HEADER

	while at < header and at < tvb:captured_len() do
		kind = tvb(at, 1):uint()
		if kind == KIND_END then
			return
		elseif kind == KIND_NOP then
			length = 1
		else
			if at + 1 < header and at + 1 >= tvb:captured_len() then
				return
			end
			length = at + 1 < header and tvb(at + 1, 1):uint() or 0
			if length < 2 or at + length > header then
				tree:add_tvb_expert_info(e_cut, tvb(at, 1), string.format(
					"Option of kind %d %s: it ends the list", kind,
					at + 1 < header and "with length " .. length or "without a length"))
				return
			end
			if kind == KIND_EXPERIMENT and at + length <= tvb:captured_len() then
				experiment_show(tvb(at, length), tree)
			end
		end
		at = at + length
	end
end

local tcp_dissector = Dissector.get("tcp")

function xtcp.dissector(tvb, pinfo, tree)
	-- An ICMP error quotes the first bytes of a header.
	if tvb:captured_len() >= HEADER then
		local t = tree:add(xtcp, tvb(0, HEADER))

		t:add(f.checksum, tvb(CHECKSUM_AT, 2))
		options_show(tvb, t)
	end
	return tcp_dissector:call(segment_for_tcp(tvb), pinfo, tree)
end

-- IPv6 uses this table for its next header, too.
DissectorTable.get("ip.proto"):add(PROTOCOL, xtcp)
