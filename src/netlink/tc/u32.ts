import { type AttributeTable, DecodeError, type Layout } from '../attribute.ts';
import { struct } from '../struct.ts';
import { actionsType } from './action.ts';

const TC_U32_TERMINAL = 1; // linux/pkt_cls.h
/** No more fit into the u8 that counts them. */
const KEYS_MAX = 128;

/** 32 bits of a packet to look at. Without any key, or with a mask of 0, every packet matches. */
export interface U32Key {
  /** The bits that have to be so, and those that count. */
  readonly value: number;
  readonly mask: number;
  /** Where they are, in octets from the network header, a multiple of 4. */
  readonly offsetBytes: number;
  readonly offsetMask?: number | undefined;
}

const tcU32Key = struct('tc_u32_key', {
  mask: 'be32',
  value: 'be32',
  offset: 's32',
  offsetMask: 's32',
});

const tcU32Sel = struct('tc_u32_sel', {
  flags: 'u8',
  offshift: 'u8',
  keyCount: 'u8',
  pad: 'u8',
  offmask: 'be16',
  off: 'u16',
  offoff: 's16',
  hoff: 's16',
  hmask: 'be32',
});

/** struct tc_u32_sel with its keys; a match ends the search. */
const selector: Layout<readonly U32Key[]> = {
  encode(writer, keys) {
    if (keys.length > KEYS_MAX)
      throw new RangeError(`${keys.length} u32 keys, at most ${KEYS_MAX}`);
    tcU32Sel.encode(writer, { flags: TC_U32_TERMINAL, keyCount: keys.length });
    for (const { value, mask, offsetBytes, offsetMask = 0 } of keys) {
      const masked = (value & mask) >>> 0;
      tcU32Key.encode(writer, { mask, value: masked, offset: offsetBytes, offsetMask });
    }
  },
  decode(bytes) {
    const { keyCount } = tcU32Sel.decode(bytes);
    const expected = tcU32Sel.sizeBytes + keyCount * tcU32Key.sizeBytes;
    if (bytes.length < expected) {
      throw new DecodeError('', `${bytes.length} bytes, expected ${expected}`);
    }
    return Array.from({ length: keyCount }, (_, index) => {
      const at = tcU32Sel.sizeBytes + index * tcU32Key.sizeBytes;
      const { mask, value, offset, offsetMask } = tcU32Key.decode(bytes.subarray(at));
      return { value, mask, offsetBytes: offset, offsetMask };
    });
  },
};

/** TCA_U32_*, tc-u32(8). */
export const u32Attributes = {
  classId: { id: 1, type: 'u32' },
  hash: { id: 2, type: 'u32' },
  link: { id: 3, type: 'u32' },
  /** Size of a table of hashes, which the kernel lists as filters of their own. */
  divisor: { id: 4, type: 'u32' },
  keys: { id: 5, type: selector },
  actions: { id: 7, type: actionsType },
} as const satisfies AttributeTable;
