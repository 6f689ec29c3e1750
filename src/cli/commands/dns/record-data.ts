import type DNS from 'dns2';
import { typeName } from '../../../dns/message/numbers.ts';

type Resource = DNS.Packet['answers'][number];

/** A record as a zone file has it, without its class. */
export interface ShownRecord {
  readonly name: string;
  readonly ttl: number;
  readonly type: string;
  readonly data: string;
}

export function showRecord(record: Resource): ShownRecord {
  const { name, ttl, type } = record;
  return { name: dotted(name), ttl, type: typeName(type), data: dataOf(record) };
}

/** The data of a record as dig's short form prints it. */
function dataOf(record: Resource): string {
  switch (typeName(record.type)) {
    case 'A':
    case 'AAAA':
      return record.address ?? '';
    case 'CNAME':
    case 'PTR':
      return dotted(record.domain ?? '');
    case 'NS':
      return dotted(record.ns ?? '');
    case 'MX':
      return `${record.priority} ${dotted(record.exchange ?? '')}`;
    case 'SRV':
      return [record.priority, record.weight, record.port, dotted(record.target ?? '')].join(' ');
    case 'TXT':
    case 'SPF':
      return [record.data ?? '']
        .flat()
        .map((text) => JSON.stringify(String(text)))
        .join(' ');
    case 'SOA':
      return [
        dotted(record.primary ?? ''),
        dotted(record.admin ?? ''),
        record.serial,
        record.refresh,
        record.retry,
        record.expiration,
        record.minimum,
      ].join(' ');
    case 'CAA':
      return `${record.flags} ${record.tag} ${JSON.stringify(record.value ?? '')}`;
    default:
      return opaque(record.data);
  }
}

/** Data of types that are not read, as RFC 3597 section 5 has it. */
function opaque(data: Resource['data']): string {
  const octets = Buffer.isBuffer(data) ? data : Buffer.from([data ?? ''].flat().join(''), 'latin1');
  return `\\# ${octets.length} ${octets.toString('hex')}`.trimEnd();
}

function dotted(name: string): string {
  return name.endsWith('.') ? name : `${name}.`;
}
