import type { Attributes } from '../attribute.ts';
import { bitsOf, namesOf } from '../flags.ts';
import type { setAttributes } from './attributes.ts';
import type { StatefulExpression } from './expression/expression.ts';
import { OBJECT_TYPE, type ObjectType, objectTypeOf } from './object.ts';
import { type DataType, typeOf, VERDICT } from './types.ts';
import { setUserdata, setUserdataOf } from './userdata.ts';

/** NFT_SET_* that are a choice, by nft(8)'s names. */
const SET_FLAG = { constant: 2, interval: 4, timeout: 0x10, dynamic: 0x20 } as const;
/** NFT_SET_* that follow from what a set is. */
const NFT_SET_ANONYMOUS = 0x1;
const NFT_SET_MAP = 0x8;
const NFT_SET_OBJECT = 0x40;
const NFT_SET_CONCAT = 0x80;
const NFT_SET_EXPR = 0x100;

export type SetFlag = keyof typeof SET_FLAG;

const NFT_SET_POL_MEMORY = 1;

/** What the encoding of a set's elements depends on. */
export interface SetShape {
  readonly name: string;
  readonly key: DataType;
  readonly flags?: readonly SetFlag[] | undefined;
}

/** A set as it is made; with `data` or `objects` it is a map. */
export interface SetSpec extends SetShape {
  readonly comment?: string | undefined;
  /** What elements map to; VERDICT for a verdict map. */
  readonly data?: DataType | undefined;
  /** The type of the objects that elements map to. */
  readonly objects?: ObjectType | number | undefined;
  /** After this time an element goes, unless it has its own; needs the flag `timeout`. */
  readonly timeoutMs?: number | undefined;
  /** How often expired elements are freed. */
  readonly gcIntervalMs?: number | undefined;
  /** The most elements it may have. */
  readonly size?: number | undefined;
  readonly policy?: 'memory' | undefined;
  /** What each element counts or limits. */
  readonly expressions?: readonly StatefulExpression[] | undefined;
  /** nft(8) merges adjacent intervals when it adds them. */
  readonly autoMerge?: true | undefined;
}

/** A set or map as the kernel has it, without its elements. */
export interface SetInfo extends SetSpec {
  readonly handle: bigint;
  /** It has no name of its own and goes with its rule. */
  readonly anonymous: boolean;
}

/** Whether elements are ranges of keys. */
export function isInterval(set: SetShape): boolean {
  return set.flags?.includes('interval') === true;
}

/** The attributes that make a set. `id` tells it apart from others in the same batch. */
export function encodeSet(
  table: string,
  set: SetSpec,
  id: number,
  anonymous: boolean,
): Attributes<typeof setAttributes> {
  const { key, data, objects, expressions = [] } = set;
  const flags = setFlags(set, anonymous);
  return {
    table,
    name: set.name,
    flags: flags === 0 ? undefined : flags,
    keyType: key.id,
    keyLength: key.lengthBytes,
    dataType: data?.id,
    // The kernel derives the length of a verdict.
    dataLength: data === VERDICT ? undefined : data?.lengthBytes,
    objectType: objectTypeNumber(objects),
    policy: set.policy === 'memory' ? NFT_SET_POL_MEMORY : undefined,
    description: encodeDescription(set),
    id,
    timeoutMs: set.timeoutMs === undefined ? undefined : BigInt(set.timeoutMs),
    gcIntervalMs: set.gcIntervalMs,
    userdata: setUserdata({
      comment: set.comment,
      hostEndianKey: key.hostEndian,
      hostEndianData: data?.hostEndian,
      autoMerge: set.autoMerge === true,
    }),
    expression: expressions.length === 1 ? expressions[0] : undefined,
    expressions: expressions.length > 1 ? expressions : undefined,
  };
}

function objectTypeNumber(objects: ObjectType | number | undefined): number | undefined {
  return typeof objects === 'string' ? OBJECT_TYPE[objects] : objects;
}

function setFlags(set: SetSpec, anonymous: boolean): number {
  const { key, data, objects, expressions = [] } = set;
  const chosen = bitsOf(SET_FLAG, set.flags ?? []);
  return (
    chosen |
    (anonymous ? NFT_SET_ANONYMOUS : 0) |
    (data === undefined ? 0 : NFT_SET_MAP) |
    (objects === undefined ? 0 : NFT_SET_OBJECT) |
    (isInterval(set) && key.fields.length > 0 ? NFT_SET_CONCAT : 0) |
    (expressions.length > 1 ? NFT_SET_EXPR : 0)
  );
}

/** The kernel takes the lengths of a key's fields only where it has to match each by itself. */
function encodeDescription(set: SetSpec): Attributes<typeof setAttributes>['description'] {
  const fields = isInterval(set) ? set.key.fields : [];
  if (set.size === undefined && fields.length === 0) return undefined;
  return {
    size: set.size,
    fields: fields.length === 0 ? undefined : fields.map(({ lengthBytes }) => ({ lengthBytes })),
  };
}

/** The set a message tells of; what is as it is by default is left out. */
export function decodeSet(attributes: Attributes<typeof setAttributes>): SetInfo {
  const { flags = 0, keyType = 0, keyLength = 0, dataType = 0, dataLength = 0 } = attributes;
  const { comment, hostEndianKey, hostEndianData, autoMerge } = setUserdataOf(attributes.userdata);
  const { expression, expressions = expression === undefined ? undefined : [expression] } =
    attributes;
  const fieldBytes = attributes.description?.fields?.map((field) => field.lengthBytes ?? 0);
  const names = namesOf(SET_FLAG, flags);
  return {
    name: attributes.name ?? '',
    handle: attributes.handle ?? 0n,
    anonymous: (flags & NFT_SET_ANONYMOUS) !== 0,
    key: typeOf(keyType, keyLength, hostEndianKey, fieldBytes),
    flags: names.length === 0 ? undefined : names,
    comment,
    data:
      (flags & NFT_SET_MAP) === 0 ? undefined : decodeData(dataType, dataLength, hostEndianData),
    objects: (flags & NFT_SET_OBJECT) === 0 ? undefined : objectTypeOf(attributes.objectType ?? 0),
    timeoutMs: attributes.timeoutMs === undefined ? undefined : Number(attributes.timeoutMs),
    gcIntervalMs: attributes.gcIntervalMs,
    size: attributes.description?.size,
    policy: attributes.policy === NFT_SET_POL_MEMORY ? 'memory' : undefined,
    expressions,
    autoMerge: autoMerge ? true : undefined,
  };
}

function decodeData(id: number, lengthBytes: number, hostEndian: boolean | undefined): DataType {
  return id === VERDICT.id ? VERDICT : typeOf(id, lengthBytes, hostEndian === true);
}
