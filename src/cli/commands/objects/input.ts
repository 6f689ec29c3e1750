import { readFileSync, statSync } from 'node:fs';
import { parseWholeObjects, type WholeObject } from '../../../cluster/manifests/parse.ts';
import { InputError } from '../../usage-error.ts';
import { nameOf } from './open.ts';

const FILE_BYTES_MAX = 16 << 20;

/**
 * The objects of a manifest, or of stdin for `-`; those that name no namespace are in the one that is given.
 * Throws InputError that names file, line and field.
 */
export function readObjects(file: string, namespace: string | undefined): WholeObject[] {
  const content = readInput(file);
  const name = file === '-' ? 'stdin' : file;
  if (content.length > FILE_BYTES_MAX) {
    throw new InputError(`${name}: ${content.length} bytes, at most ${FILE_BYTES_MAX} are read`);
  }
  let objects: WholeObject[];
  try {
    objects = parseWholeObjects(name, content);
  } catch (error) {
    throw new InputError((error as Error).message);
  }
  if (objects.length === 0) throw new InputError(`${name}: expected objects, there are none`);
  return objects.map((each) => inNamespace(each, namespace));
}

function readInput(file: string): Buffer {
  try {
    if (file !== '-' && statSync(file).isDirectory()) throw new Error('it is a directory');
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new InputError(`-f: expected a readable file, got "${file}" (${code ?? message})`);
  }
}

/** The object with its namespace in it, as it is kept. Throws InputError where it names another. */
function inNamespace({ object, raw }: WholeObject, given: string | undefined): WholeObject {
  const { metadata } = object;
  const named = (raw as { metadata: { namespace?: string } }).metadata;
  // What has no namespace keeps none.
  if (metadata.namespace === '') return { object, raw };
  const namespace = named.namespace ?? given ?? metadata.namespace;
  if (given !== undefined && namespace !== given) {
    const problem = `expected "${namespace}", which ${nameOf(object)} names, got "${given}"`;
    throw new InputError(`--namespace: ${problem}`);
  }
  return {
    object: { ...object, metadata: { ...metadata, namespace } },
    raw: { ...raw, metadata: { ...named, namespace } },
  };
}
