import { loadAll, parseEvents, YAMLException } from 'js-yaml';
import { PodwireError } from '../../errors.ts';
import { decodeObject, FieldError, type FieldPath, formatPath } from '../decode.ts';
import { type ClusterObject, objectKey } from '../objects.ts';
import { prune } from '../prune.ts';
import { blockYamlDocuments, OtherYaml } from './block-yaml.ts';
import { lineOf } from './positions.ts';

/** A manifest that cannot be used: which file, which line, which field, and what was expected. */
export class ManifestError extends PodwireError {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Such as `spec.ports[0].port`; empty when the YAML itself is broken. */
  readonly field: string;

  constructor(file: string, line: number, field: string, problem: string) {
    super('ERR_MANIFEST', `${file}:${line}: ${field === '' ? '' : `${field}: `}${problem}`);
    this.file = file;
    this.line = line;
    this.field = field;
  }
}

/** What a manifest file holds. */
export interface Manifest {
  readonly objects: readonly ClusterObject[];
  /** `apiVersion kind` of each object podwire has no use for. */
  readonly ignored: readonly string[];
}

/**
 * Reads a file of Kubernetes YAML or JSON: documents with `---` between, each an object or a v1
 * List. Throws ManifestError for the first thing that is wrong.
 */
export function parseManifest(file: string, content: Buffer | string): Manifest {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  try {
    return manifestOf(blockYamlDocuments(bytes));
  } catch (error) {
    // The other parser knows more of YAML, and where what is wrong stands.
    if (!(error instanceof OtherYaml || error instanceof FieldError)) throw error;
  }
  const text = content.toString();
  return manifestOf(documentsOf(file, text), refuseIn(file, text));
}

/** An object as it stands in a manifest, and what podwire reads of it. */
export interface WholeObject {
  readonly object: ClusterObject;
  readonly raw: object;
}

/**
 * Reads a file as parseManifest does, and gives all of its objects. Throws ManifestError for the first thing that
 * is wrong, and for an object podwire has no use for, or that is there twice.
 */
export function parseWholeObjects(file: string, content: Buffer | string): WholeObject[] {
  const text = content.toString();
  const objects = new Map<string, WholeObject>();
  decodeDocuments(
    documentsOf(file, text),
    (object, value) => {
      if (object === undefined) {
        const kind = nameKind(value);
        throw new FieldError(['kind'], `expected a kind that podwire reads, got ${kind}`);
      }
      const key = objectKey(object);
      if (objects.has(key)) throw new FieldError(['metadata', 'name'], `${key} is there already`);
      objects.set(key, { object, raw: value as object });
    },
    refuseIn(file, text),
  );
  return [...objects.values()];
}

/** Tells who reads a manifest where something is wrong. */
type Refuse = (error: FieldError, index: number, path: FieldPath) => never;

function refuseIn(file: string, text: string): Refuse {
  return (error, index, path) => {
    const line = lineOf(text, parseEvents(text, {}), index, path);
    throw new ManifestError(file, line, formatPath(path), error.problem);
  };
}

function manifestOf(documents: Iterable<unknown>, refuse?: Refuse): Manifest {
  const objects: ClusterObject[] = [];
  const ignored: string[] = [];
  const take = (object: ClusterObject | undefined, value: unknown) => {
    if (object === undefined) ignored.push(nameKind(value));
    else objects.push(prune(object));
  };
  decodeDocuments(documents, take, refuse);
  return { objects, ignored };
}

/**
 * Decodes all objects of documents; one of a kind podwire has no use for is undefined. `refuse` is told where one
 * is wrong; without it that is thrown.
 */
function decodeDocuments(
  documents: Iterable<unknown>,
  take: (object: ClusterObject | undefined, value: unknown) => void,
  refuse?: Refuse,
): void {
  let index = -1;
  for (const document of documents) {
    index += 1;
    if (document === null || document === undefined) continue;
    for (const { value, path } of itemsOf(document)) {
      try {
        take(decodeObject(value), value);
      } catch (error) {
        if (!(error instanceof FieldError) || refuse === undefined) throw error;
        refuse(error, index, [...path, ...error.path]);
      }
    }
  }
}

function documentsOf(file: string, text: string): unknown[] {
  try {
    return loadAll(text);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    throw new ManifestError(file, (error.mark?.line ?? 0) + 1, '', `not YAML: ${error.reason}`);
  }
}

/** The objects of a document: itself, or the items of a List. */
function itemsOf(document: unknown): { value: unknown; path: (string | number)[] }[] {
  const list = document as { kind?: unknown; items?: unknown };
  if (typeof document !== 'object' || list.kind !== 'List' || !Array.isArray(list.items)) {
    return [{ value: document, path: [] }];
  }
  return list.items.map((value: unknown, index) => ({ value, path: ['items', index] }));
}

function nameKind(value: unknown): string {
  const { apiVersion, kind } = value as { apiVersion: string; kind: string };
  return `${apiVersion} ${kind}`;
}
