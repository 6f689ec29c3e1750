import {
  chainAttributes,
  elementListAttributes,
  objectAttributes,
  ruleAttributes,
  setAttributes,
  tableAttributes,
} from './attributes.ts';
import { type Chain, decodeChain } from './chain.ts';
import { dump, get, type NftablesConnection } from './connection.ts';
import { decodeElements, type Element, encodeElement } from './element.ts';
import type { Family, TableRef } from './family.ts';
import { decodeObject, type NamedObject, OBJECT_TYPE, type ObjectType } from './object.ts';
import { decodeRule, type Rule } from './rule.ts';
import { decodeSet, type SetInfo, type SetShape } from './set.ts';
import { decodeTable, type Table } from './table.ts';

/** The tables of a family, or of all families. */
export function tableList(connection: NftablesConnection, family?: Family): Table[] {
  const query = { operation: 'list tables', type: 'GETTABLE', family } as const;
  return dump(connection, { ...query, attributes: tableAttributes, filter: {} }, (listed) =>
    decodeTable(listed.family, listed.attributes),
  );
}

/** The table of this family and name, or undefined. */
export function tableFind(connection: NftablesConnection, ref: TableRef): Table | undefined {
  return tableList(connection, ref.family).find(({ name }) => name === ref.name);
}

/** The chains of a table. */
export function chainList(connection: NftablesConnection, table: TableRef): Chain[] {
  const query = {
    operation: `list chains of ${tableName(table)}`,
    type: 'GETCHAIN',
    family: table.family,
    attributes: chainAttributes,
    filter: {},
  } as const;
  // The kernel filters this dump by family only.
  return dump(connection, query, ({ family, attributes }) =>
    attributes.table === table.name ? [decodeChain(family, attributes)] : [],
  ).flat();
}

/** The rules of a table, those of a chain in order; of one chain only when it is given. */
export function ruleList(connection: NftablesConnection, table: TableRef, chain?: string): Rule[] {
  const query = {
    operation: `list rules of ${tableName(table)}`,
    type: 'GETRULE',
    family: table.family,
    attributes: ruleAttributes,
    filter: { table: table.name, chain },
  } as const;
  return dump(connection, query, ({ attributes }) =>
    attributes.table === table.name ? [decodeRule(attributes)] : [],
  ).flat();
}

/** The sets and maps of a table, without their elements. */
export function setList(connection: NftablesConnection, table: TableRef): SetInfo[] {
  const query = {
    operation: `list sets of ${tableName(table)}`,
    type: 'GETSET',
    family: table.family,
    attributes: setAttributes,
    filter: { table: table.name },
  } as const;
  return dump(connection, query, ({ attributes }) => decodeSet(attributes));
}

/** One set or map of a table; undefined when it is not there. */
export function setGet(
  connection: NftablesConnection,
  table: TableRef,
  name: string,
): SetInfo | undefined {
  const query = {
    operation: `get set ${name} of ${tableName(table)}`,
    type: 'GETSET',
    family: table.family,
    attributes: setAttributes,
    filter: { table: table.name, name },
  } as const;
  return get(connection, query, ({ attributes }) => decodeSet(attributes));
}

/** The elements of a set or map; none when it is not there. */
export function elementList(
  connection: NftablesConnection,
  table: TableRef,
  set: SetShape,
): Element[] {
  const query = {
    operation: `list elements of set ${set.name} of ${tableName(table)}`,
    type: 'GETSETELEM',
    family: table.family,
    attributes: elementListAttributes,
    filter: { table: table.name, set: set.name },
  } as const;
  const listed = dump(connection, query, ({ attributes }) => attributes.elements ?? []);
  return decodeElements(set, listed.flat());
}

/**
 * The elements of a set that have these keys, or are the intervals they are in; undefined when one
 * of them is in none. With `reset`, counters and quotas in them begin at zero again (Linux 6.5).
 */
export function elementGet(
  connection: NftablesConnection,
  table: TableRef,
  set: SetShape,
  keys: readonly Uint8Array[],
  options: { readonly reset?: boolean } = {},
): Element[] | undefined {
  const elements = [];
  for (const key of keys) {
    const query = {
      operation: `get element ${key.toHex()} of set ${set.name} of ${tableName(table)}`,
      type: options.reset === true ? 'GETSETELEM_RESET' : 'GETSETELEM',
      family: table.family,
      attributes: elementListAttributes,
      filter: { table: table.name, set: set.name, elements: encodeElement(set, { key }) },
    } as const;
    const found = getAll(connection, query);
    if (found === undefined) return undefined;
    elements.push(...decodeElements(set, found));
  }
  return elements;
}

/** A get of elements is answered by one message for each. */
function getAll(
  connection: NftablesConnection,
  query: Parameters<typeof get<typeof elementListAttributes, void>>[1],
): ElementsOf | undefined {
  const elements: ElementsOf[number][] = [];
  const found = get(connection, query, ({ attributes }) => {
    elements.push(...(attributes.elements ?? []));
    return true;
  });
  return found === undefined ? undefined : elements;
}

type ElementsOf = Parameters<typeof decodeElements>[1];

/**
 * The named objects of a table, of one type when it is given. With `reset`, counters and quotas
 * begin at zero again and what is listed is what they had.
 */
export function objectList(
  connection: NftablesConnection,
  table: TableRef,
  options: { readonly type?: ObjectType; readonly reset?: boolean } = {},
): NamedObject[] {
  const { type, reset = false } = options;
  const query = {
    operation: `${reset ? 'reset' : 'list'} objects of ${tableName(table)}`,
    type: reset ? 'GETOBJ_RESET' : 'GETOBJ',
    family: table.family,
    attributes: objectAttributes,
    filter: {
      table: table.name,
      type: type === undefined ? undefined : OBJECT_TYPE[type],
    },
  } as const;
  return dump(connection, query, ({ bytes }) => {
    const { table: _, ...object } = decodeObject(bytes);
    return object;
  });
}

/** A table as error messages name it. */
export function tableName(table: TableRef): string {
  return `table ${table.family} ${table.name}`;
}
