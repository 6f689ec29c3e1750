import { type Attributes, decodeAttributes } from '../attribute.ts';
import { objectAttributes, objectAttributesOf } from './attributes.ts';
import { commentOf, commentUserdata } from './userdata.ts';

/** NFT_OBJECT_*, by nft(8)'s names. */
export const OBJECT_TYPE = {
  counter: 1,
  quota: 2,
  'ct helper': 3,
  limit: 4,
  connlimit: 5,
} as const;
export type ObjectType = keyof typeof OBJECT_TYPE;

/** The state of each type of object, in the fields of its expression. */
type ObjectData = {
  readonly [T in ObjectType]: NonNullable<Attributes<(typeof objectAttributesOf)[T]>['data']>;
};

/** A named object as it is made, such as a counter that several rules share. */
export type ObjectSpec = {
  readonly [T in ObjectType]: {
    readonly type: T;
    readonly name: string;
    readonly comment?: string | undefined;
    readonly data: ObjectData[T];
  };
}[ObjectType];

/** A named object as the kernel has it; one of a type that is not known here has no data. */
export interface NamedObject {
  readonly type: ObjectType | number;
  readonly name: string;
  readonly comment?: string | undefined;
  readonly data?: ObjectData[ObjectType] | undefined;
  readonly handle: bigint;
  /** How many rules and elements use it. */
  readonly useCount: number;
}

const TYPE_NAMES: ReadonlyMap<number, ObjectType> = new Map(
  Object.entries(OBJECT_TYPE).map(([name, number]) => [number, name as ObjectType]),
);

/** The name of a type of objects, or its number when it is not known here. */
export function objectTypeOf(type: number): ObjectType | number {
  return TYPE_NAMES.get(type) ?? type;
}

/** The attributes that make an object, beside those that say which it is. */
export function encodeObject(object: ObjectSpec): {
  readonly data: ObjectSpec['data'];
  readonly userdata: Uint8Array | undefined;
} {
  return { data: object.data, userdata: commentUserdata(object.comment) };
}

/** The object a message's attributes tell of. Throws DecodeError. */
export function decodeObject(bytes: Uint8Array): NamedObject & { readonly table: string } {
  const known = decodeAttributes(objectAttributes, bytes);
  const { table = '', name = '', handle = 0n, useCount = 0, userdata } = known;
  const type = objectTypeOf(known.type ?? 0);
  const data =
    typeof type === 'number' ? undefined : decodeAttributes(objectAttributesOf[type], bytes).data;
  return { table, type, name, comment: commentOf(userdata), data, handle, useCount };
}
