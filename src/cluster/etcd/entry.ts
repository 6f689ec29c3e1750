import { decodeObject, FieldError } from '../decode.ts';
import { type ClusterObject, objectKey } from '../objects.ts';
import { prune } from '../prune.ts';
import type { EtcdKeys } from './keys.ts';

/** The object at a key. Throws FieldError for a value that is none, or belongs elsewhere. */
export function readEntry(keys: EtcdKeys, key: string, value: Uint8Array): ClusterObject {
  const object = readObject(keys, key, parseValue(value));
  // Nodes are few, and what they tell one another is in their annotations.
  return object.kind === 'Node' ? object : prune(object);
}

/** The JSON of a value. Throws FieldError. */
export function parseValue(value: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.length).toString());
  } catch (error) {
    throw new FieldError([], `not JSON: ${(error as Error).message}`);
  }
}

/** The object that JSON at a key is. Throws FieldError. */
export function readObject(keys: EtcdKeys, key: string, raw: unknown): ClusterObject {
  const object = decodeObject(raw);
  if (object === undefined) throw new FieldError(['kind'], 'expected a kind that podwire knows');
  const place = keys.objectKeyOf(key);
  if (place !== objectKey(object)) {
    const at = keys.ofObject(object);
    throw new FieldError(['metadata'], `it is ${objectKey(object)}, which belongs at ${at}`);
  }
  return object;
}
