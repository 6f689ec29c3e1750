import type { ScalarName, ScalarValue } from './scalar.ts';
import type { Struct, StructFields, StructValues } from './struct.ts';
import type { Writer } from './writer.ts';

/*
 * Netlink attributes as data. A family is described once, in tables such as
 *
 *   const linkAttributes = {
 *     ifname: { id: IFLA_IFNAME, type: 'string' },
 *     linkinfo: { id: IFLA_LINKINFO, type: { nested: linkInfoAttributes } },
 *   } as const satisfies AttributeTable;
 *
 * and the table drives the encoder, the decoder and, through `Attributes`, the static types.
 */

/** A payload with a form of its own, such as an address; `layout.ts` has some. */
export interface Layout<V> {
  encode(writer: Writer, value: V): void;
  /** Throws DecodeError, with an empty path. */
  decode(bytes: Uint8Array): V;
}

/** What an attribute carries. */
export type AttributeType =
  | ScalarName
  | Layout<unknown>
  /** A structure of the kernel. */
  | { readonly struct: Struct<StructFields> }
  /** Scalars or structures packed one after the other, without headers. */
  | { readonly array: ScalarName | Struct<StructFields> }
  /** More attributes. */
  | { readonly nested: AttributeTable }
  /** Nests with one and the same number after each other, such as NFTA_LIST_ELEM. */
  | { readonly list: AttributeTable; readonly itemId: number }
  /** The same for items that are not nests, such as IFLA_VLAN_QOS_MAPPING. */
  | { readonly listOf: AttributeType; readonly itemId: number }
  /** Items whose number is their place, counted from `first`, such as those of TCA_ACT_TAB. */
  | { readonly indexed: AttributeType; readonly first: number }
  /** The attribute itself may come several times, such as IFLA_BRIDGE_VLAN_INFO. */
  | { readonly repeated: AttributeType }
  /** Attributes whose table depends on a string in the attribute `by` beside it. */
  | { readonly choice: Readonly<Record<string, AttributeTable>>; readonly by: string };

/**
 * One attribute: the kernel's number for it and what it carries. The number may have
 * NLA_F_NET_BYTEORDER in it, which ipset insists on.
 */
export interface AttributeField {
  readonly id: number;
  readonly type: AttributeType;
}

/** The attributes of one message or nest, by our name for them. */
export type AttributeTable = Readonly<Record<string, AttributeField>>;

/** An attribute the table does not know, kept as it came. */
export interface UnknownAttribute {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** The values of a structure: when decoding all of them are there. */
type StructOf<S> = S extends Struct<infer F> ? StructValues<F> : never;

/** The value an attribute of type `T` has in TypeScript. */
type ValueOf<T> = T extends ScalarName
  ? ScalarValue<T>
  : T extends Layout<infer V>
    ? V
    : T extends { readonly struct: infer S }
      ? StructOf<S>
      : T extends { readonly array: infer A }
        ? readonly (A extends ScalarName ? ScalarValue<A> : StructOf<A>)[]
        : T extends { readonly nested: infer N extends AttributeTable }
          ? Attributes<N>
          : T extends { readonly list: infer L extends AttributeTable }
            ? readonly Attributes<L>[]
            : T extends { readonly listOf: infer L }
              ? readonly ValueOf<L>[]
              : T extends { readonly indexed: infer I }
                ? readonly ValueOf<I>[]
                : T extends { readonly repeated: infer R }
                  ? readonly ValueOf<R>[]
                  : T extends { readonly choice: infer C extends Record<string, AttributeTable> }
                    ? { readonly [K in keyof C]?: Attributes<C[K]> }
                    : never;

/** The decoded form of a table: every attribute optional, those unknown to it in `unknown`. */
export type Attributes<T extends AttributeTable> = {
  readonly [K in keyof T]?: ValueOf<T[K]['type']> | undefined;
} & { readonly unknown?: readonly UnknownAttribute[] };

/** sizeof(struct nlattr). */
export const ATTRIBUTE_HEADER_BYTES = 4;
/** In an attribute's number: the payload is attributes (linux/netlink.h). */
export const NLA_F_NESTED = 0x8000;
/** The bits of an attribute's number that are the number. */
export const NLA_TYPE_MASK = 0x3fff;
