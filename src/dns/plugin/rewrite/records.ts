import { joined, type Message, nameBytes, type ResourceRecord } from '../../message/message.ts';
import { readName } from '../../message/name.ts';
import { rdataLayout } from '../../message/rdata-layout.ts';

/** The message with every record changed, in all sections. */
export function changeRecords(
  message: Message,
  change: (record: ResourceRecord) => ResourceRecord,
): Message {
  return {
    ...message,
    answers: message.answers.map(change),
    authorities: message.authorities.map(change),
    additionals: message.additionals.map(change),
  };
}

/** The record with the names in its data changed; data without names stays as it is. */
export function changeDataNames(
  record: ResourceRecord,
  change: (name: string) => string,
): ResourceRecord {
  const layout = rdataLayout(record.type);
  if (layout.length === 0) return record;
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const part of layout) {
    if (part === 'name') {
      const { name, next } = readName(record.rdata, at);
      parts.push(nameBytes(change(name)));
      at = next;
    } else {
      const size = part === 'string' ? 1 + (record.rdata[at] ?? 0) : part;
      parts.push(record.rdata.subarray(at, at + size));
      at += size;
    }
  }
  return { ...record, rdata: joined([...parts, record.rdata.subarray(at)]) };
}
