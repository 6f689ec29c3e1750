import { decodeObject, FieldError } from '../decode.ts';
import type { ClusterObject } from '../objects.ts';
import { prune } from '../prune.ts';
import type { Resource } from './resource.ts';

/** Marks the bookmark after which a streamed list is complete (KEP-3157). */
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

/**
 * What an item of a list or an event of a watch says, as JSON has it: it may come from another thread.
 * The key is that of `objectKey`.
 */
export type Heard =
  | { readonly what: 'put'; readonly key: string; readonly object: ClusterObject; version?: string }
  /** There is an object, which can't be read. */
  | {
      readonly what: 'unreadable';
      readonly key: string;
      readonly problem: string;
      version?: string;
    }
  | { readonly what: 'gone'; readonly key: string; version?: string }
  /** Nothing but how far the server is; or that a streamed list is complete. */
  | { readonly what: 'bookmark'; readonly isEnd: boolean; version?: string }
  /** The last there is: the server ends the watch, or what came is not an event. */
  | { readonly what: 'error'; readonly problem: string; readonly status?: number };

/** Texts to be read: items of a list, or events of a watch. */
export interface HeardTexts {
  readonly of: 'items' | 'events';
  readonly resource: Pick<Resource, 'kind' | 'apiVersion'>;
  readonly texts: readonly string[];
}

/** The parts of a raw object that are read whatever else is wrong with it. */
interface RawObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

/** Reads texts, in order. What comes after an error is not read. */
export function hear({ of, resource, texts }: HeardTexts): Heard[] {
  const heard: Heard[] = [];
  for (const text of texts) {
    const one = hearOne(of, resource, text);
    heard.push(one);
    if (one.what === 'error') break;
  }
  return heard;
}

function hearOne(of: HeardTexts['of'], resource: HeardTexts['resource'], text: string): Heard {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { what: 'error', problem: (error as Error).message };
  }
  if (of === 'items') {
    if (isRawObject(value)) return decode(resource, value);
    return { what: 'error', problem: 'a list gave something that is not an object' };
  }
  const { type, object } = (value ?? {}) as { type?: unknown; object?: unknown };
  if (typeof type !== 'string' || !isRawObject(object)) {
    return { what: 'error', problem: 'a watch gave something that is not an event' };
  }
  return hearEvent(resource, type, object);
}

function isRawObject(value: unknown): value is RawObject {
  const { metadata } = (value ?? {}) as { metadata?: unknown };
  return typeof metadata === 'object' && metadata !== null;
}

function hearEvent(resource: HeardTexts['resource'], type: string, object: RawObject): Heard {
  if (type === 'ERROR') {
    const { code, message } = object as { code?: number; message?: string };
    const problem = message ?? 'an error without a message';
    return { what: 'error', problem, ...(code === undefined ? {} : { status: code }) };
  }
  const { resourceVersion, annotations } = object.metadata;
  const version = resourceVersion === undefined ? {} : { version: resourceVersion };
  if (type === 'BOOKMARK') {
    return { what: 'bookmark', isEnd: annotations?.[INITIAL_EVENTS_END] === 'true', ...version };
  }
  if (type === 'DELETED') return { what: 'gone', key: keyOf(resource, object), ...version };
  return { ...decode(resource, object), ...version };
}

function decode(resource: HeardTexts['resource'], raw: RawObject): Heard {
  const key = keyOf(resource, raw);
  const { apiVersion, kind } = resource;
  // Items of a list do not say what they are.
  raw.apiVersion ??= apiVersion;
  raw.kind ??= kind;
  try {
    const object = decodeObject(raw);
    if (object?.kind === kind) return { what: 'put', key, object: prune(object) };
    const problem = `${key}: expected ${apiVersion} ${kind}, got ${raw.apiVersion} ${raw.kind}`;
    return { what: 'unreadable', key, problem };
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    return { what: 'unreadable', key, problem: `${key}: ${error.message}` };
  }
}

function keyOf({ kind }: HeardTexts['resource'], { metadata }: RawObject): string {
  return `${kind}/${metadata.namespace ?? ''}/${metadata.name}`;
}
