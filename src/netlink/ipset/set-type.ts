/** The fields that tell an entry from others. */
export const KEY_FIELDS = [
  'address',
  'network',
  'protocol',
  'port',
  'secondAddress',
  'set',
] as const;
export type KeyField = (typeof KEY_FIELDS)[number];

/** The types of sets that podwire knows, and the fields their entries have. */
export const SET_TYPES = {
  'hash:ip': ['address'],
  'hash:net': ['network'],
  'hash:ip,port': ['address', 'protocol', 'port'],
  'hash:ip,port,ip': ['address', 'protocol', 'port', 'secondAddress'],
  'hash:ip,port,net': ['address', 'protocol', 'port', 'network'],
  'bitmap:port': ['port'],
  'list:set': ['set'],
} as const satisfies Record<string, readonly KeyField[]>;

/** A type of sets, by ipset(8)'s name. */
export type SetType = keyof typeof SET_TYPES;

/** Whether podwire knows a type of this name. */
export function isSetType(name: string): name is SetType {
  return Object.hasOwn(SET_TYPES, name);
}
