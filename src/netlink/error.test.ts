import { describe, expect, it } from 'vitest';
import { type AttributeTable, encodeAttributes } from './attribute.ts';
import { decodeAck, decodeDone, faultOf, NetlinkError } from './error.ts';
import {
  type AnyPayload,
  encodePayload,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_DONE,
  NLMSG_ERROR,
} from './message.ts';
import { struct } from './struct.ts';
import { Writer } from './writer.ts';

const rule = { rate: { id: 1, type: 'u32' } } as const satisfies AttributeTable;
const payload = {
  header: struct('head', { family: 'u8', pad: { bytes: 3 } }),
  attributes: {
    name: { id: 1, type: 'string' },
    rules: { id: 2, type: { list: rule, itemId: 1 } },
    kind: { id: 3, type: 'string' },
    data: { id: 4, type: { choice: { slow: rule }, by: 'kind' } },
    tags: { id: 5, type: { repeated: 'u16' } },
    order: { id: 6, type: { indexed: { nested: rule }, first: 1 } },
  },
} as const satisfies AnyPayload;

/** What follows the message's header in a request, and where attribute headers are in it. */
function request(): Uint8Array {
  const writer = new Writer();
  encodePayload(
    writer,
    payload,
    {},
    {
      name: 'x', // 4 to 12
      rules: [{ rate: 1 }, { rate: 2 }], // 12: nest, 16 and 28: items, 20 and 32: rates
      data: { slow: { rate: 3 } }, // 40: nest, 44: rate
      kind: 'slow', // 52
      tags: [1, 2], // 64 and 72
      order: [{}, { rate: 4 }], // 80: nest, 84 and 88: items, 92: rate
    },
  );
  return writer.bytes();
}

const extackAttributes = {
  message: { id: 1, type: 'string' },
  offset: { id: 2, type: 'u32' },
  policy: { id: 4, type: { nested: { min: { id: 4, type: 'u64' }, max: { id: 5, type: 'u64' } } } },
  missingType: { id: 5, type: 'u32' },
  missingNest: { id: 6, type: 'u32' },
} as const satisfies AttributeTable;
type Extack = Parameters<typeof encodeAttributes<typeof extackAttributes>>[2];

/** An NLMSG_ERROR as the kernel sends it with NETLINK_CAP_ACK and NETLINK_EXT_ACK. */
function ack(errno: number, extack: Extack) {
  const writer = new Writer();
  writer.u32(-errno);
  writer.skip(16);
  encodeAttributes(writer, extackAttributes, extack);
  const flags = NLM_F_ACK_TLVS | NLM_F_CAPPED;
  return decodeAck({ type: NLMSG_ERROR, flags, sequence: 1, payload: writer.bytes() });
}

describe('the fault an answer points at', () => {
  it.each([
    [4, 'at name'],
    [8, 'at name'],
    [12, 'at rules'],
    [16, 'at rules[0]'],
    [20, 'at rules[0].rate'],
    [32, 'at rules[1].rate'],
    [40, 'at data.slow'],
    [44, 'at data.slow.rate'],
    [52, 'at kind'],
    [72, 'at tags'],
    [88, 'at order[1]'],
    [92, 'at order[1].rate'],
    [2, 'at byte 18'],
    [9999, 'at byte 10015'],
  ])('is named: byte %i', (at, fault) => {
    const answer = ack(22, { offset: 16 + at });
    expect(faultOf(answer, payload, request())).toBe(fault);
  });

  it('may be something missing', () => {
    const at = (missing: Extack) => faultOf(ack(22, missing), payload, request());
    expect(at({ missingType: 3 })).toBe('kind is missing');
    expect(at({ missingType: 1, missingNest: 16 + 28 })).toBe('rules[1].rate is missing');
    expect(at({ missingType: 1, missingNest: 16 + 40 })).toBe('data.slow.rate is missing');
    expect(at({ missingType: 99 })).toBe('[99] is missing');
  });

  it('comes with what would be right', () => {
    const answer = ack(34, { message: 'too much', offset: 36, policy: { min: 1n, max: 8n } });
    const fault = faultOf(answer, payload, request());
    expect(new NetlinkError('add rule', answer, fault).message).toBe(
      'add rule: ERANGE: too much (at rules[0].rate, expected 1 to 8)',
    );
  });
});

describe('an answer', () => {
  it('without anything but the errno', () => {
    expect(ack(1, {})).toMatchObject({ errno: 1, extack: '', offset: undefined });
    const short = { type: NLMSG_ERROR, flags: 0, sequence: 1, payload: new Uint8Array() };
    expect(decodeAck(short)).toMatchObject({ errno: 0 });
  });

  it('that repeats the request whole', () => {
    const writer = new Writer();
    writer.u32(-17);
    writer.u32(24); // the length of the request that is repeated
    writer.skip(20);
    encodeAttributes(writer, extackAttributes, { message: 'there already' });
    const message = { type: NLMSG_ERROR, flags: NLM_F_ACK_TLVS, sequence: 1 };
    expect(decodeAck({ ...message, payload: writer.bytes() })).toMatchObject({
      errno: 17,
      extack: 'there already',
    });
  });

  it('at the end of a dump', () => {
    const writer = new Writer();
    writer.u32(-22);
    encodeAttributes(writer, extackAttributes, { message: 'no such filter' });
    const done = { type: NLMSG_DONE, flags: NLM_F_ACK_TLVS, sequence: 1, payload: writer.bytes() };
    expect(decodeDone(done)).toMatchObject({ errno: 22, extack: 'no such filter' });
    expect(decodeDone({ ...done, payload: new Uint8Array(4) })).toMatchObject({ errno: 0 });
  });
});
