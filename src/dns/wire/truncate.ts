import { HEADER_BYTES, TYPE } from './constants.ts';
import { putU16, u16 } from './octets.ts';
import { skipName } from './wire-name.ts';

const TC = 0x02;
const RECORDS_MAX = 65_535;

interface Rrset {
  readonly section: number;
  readonly start: number;
  end: number;
  count: number;
}

/**
 * Cuts a reply to at most `limitBytes`, by whole rrsets from the end, and sets TC unless only
 * additional records went (RFC 2181 section 9). The OPT record stays. Compression is no hindrance: names
 * point backwards only. Gives the reply itself when it fits, and a header with the question, or the
 * header alone, when the reply can't be read.
 */
export function truncateReply(reply: Uint8Array, limitBytes: number): Uint8Array {
  if (reply.length <= limitBytes) return reply;
  const question = questionEnd(reply);
  const rrsets = question < 0 ? undefined : rrsetsOf(reply, question);
  if (rrsets === undefined) return headerOnly(reply, question, limitBytes);
  const isOpt = ({ section, start }: Rrset) =>
    section === 2 && u16(reply, skipName(reply, start, reply.length)) === TYPE.OPT;
  const opt = rrsets.find(isOpt);
  const optBytes = opt === undefined ? 0 : opt.end - opt.start;
  const kept: Rrset[] = [];
  let size = question + optBytes;
  let isComplete = true;
  for (const rrset of rrsets) {
    // What comes after OPT would move, and names may point into it.
    if (rrset === opt) break;
    if (size + rrset.end - rrset.start > limitBytes) {
      isComplete = rrset.section === 2;
      break;
    }
    kept.push(rrset);
    size += rrset.end - rrset.start;
  }
  if (size > limitBytes) return headerOnly(reply, -1, limitBytes);
  // The rrsets kept stand first, so no name moves; OPT points at nothing and comes last.
  const bytes = new Uint8Array(size);
  bytes.set(reply.subarray(0, size - optBytes));
  if (opt !== undefined) bytes.set(reply.subarray(opt.start, opt.end), size - optBytes);
  const countIn = (section: number) =>
    kept.reduce((sum, each) => sum + (each.section === section ? each.count : 0), 0);
  putU16(bytes, 6, countIn(0));
  putU16(bytes, 8, countIn(1));
  putU16(bytes, 10, countIn(2) + (opt === undefined ? 0 : 1));
  if (!isComplete) bytes[2] = (bytes[2] ?? 0) | TC;
  return bytes;
}

function questionEnd(reply: Uint8Array): number {
  if (reply.length < HEADER_BYTES) return -1;
  const questions = u16(reply, 4);
  if (questions === 0) return HEADER_BYTES;
  const end = questions === 1 ? skipName(reply, HEADER_BYTES, reply.length) : -1;
  return end < 0 || end + 4 > reply.length ? -1 : end + 4;
}

/** Records of one type side by side in one section; undefined when the reply can't be read. */
function rrsetsOf(reply: Uint8Array, start: number): Rrset[] | undefined {
  const rrsets: Rrset[] = [];
  let at = start;
  let records = 0;
  for (let section = 0; section < 3; section += 1) {
    let before: { type: number; owner: string; rrset: Rrset } | undefined;
    for (let left = u16(reply, 6 + section * 2); left > 0; left -= 1) {
      const owner = skipName(reply, at, reply.length);
      if (owner < 0 || owner + 10 > reply.length || ++records > RECORDS_MAX) return undefined;
      const end = owner + 10 + u16(reply, owner + 8);
      if (end > reply.length) return undefined;
      const type = u16(reply, owner);
      // Two spellings of one owner only make two parts of what is cut as one.
      const spelled = reply.subarray(at, owner).toHex();
      if (before?.type === type && before.owner === spelled) {
        before.rrset.end = end;
        before.rrset.count += 1;
      } else {
        const rrset = { section, start: at, end, count: 1 };
        rrsets.push(rrset);
        before = { type, owner: spelled, rrset };
      }
      at = end;
    }
  }
  return rrsets;
}

function headerOnly(reply: Uint8Array, question: number, limitBytes: number): Uint8Array {
  const hasQuestion = question > 0 && question <= limitBytes;
  const bytes = reply.slice(0, hasQuestion ? question : HEADER_BYTES);
  if (!hasQuestion) putU16(bytes, 4, 0);
  for (const at of [6, 8, 10]) putU16(bytes, at, 0);
  bytes[2] = (bytes[2] ?? 0) | TC;
  return bytes;
}
