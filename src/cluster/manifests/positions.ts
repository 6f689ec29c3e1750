import {
  EVENT_DOCUMENT,
  EVENT_MAPPING,
  EVENT_POP,
  EVENT_SCALAR,
  type Event,
  getScalarValue,
} from 'js-yaml';
import type { FieldPath } from '../decode.ts';

/** Where a value stands, by its key's offset in a mapping, and its children's places. */
interface Place {
  readonly offset: number;
  readonly children: Map<string | number, Place>;
}

/** A collection the walk is inside of. */
interface Frame {
  readonly place: Place;
  readonly isMapping: boolean;
  /** In a mapping: the key whose value comes next. */
  key: { readonly name: string; readonly offset: number } | undefined;
}

/** A line and a column, both from 1. */
export interface LineColumn {
  readonly line: number;
  readonly column: number;
}

/**
 * Where the field at `path` in document number `document` (from 0) stands, or the deepest part of the
 * path that is there: a field that is missing is reported at its parent.
 */
export function placeOf(
  text: string,
  events: readonly Event[],
  document: number,
  path: FieldPath,
): LineColumn {
  let place = placesOf(text, events)[document];
  for (const step of path) {
    const next = place?.children.get(step);
    if (next === undefined) break;
    place = next;
  }
  const lines = text.slice(0, place?.offset ?? 0).split('\n');
  return { line: lines.length, column: (lines.at(-1) ?? '').length + 1 };
}

/** The line of it alone. */
export function lineOf(
  text: string,
  events: readonly Event[],
  document: number,
  path: FieldPath,
): number {
  return placeOf(text, events, document, path).line;
}

/** The place of each document's root. */
function placesOf(text: string, events: readonly Event[]): Place[] {
  const stream: Frame = {
    place: { offset: 0, children: new Map() },
    isMapping: false,
    key: undefined,
  };
  const frames: Frame[] = [stream];
  for (const event of events) {
    // The end of a document pops too, so it has a frame of its own to pop: the stream again.
    if (event.type === EVENT_DOCUMENT) {
      frames.push(stream);
      continue;
    }
    if (event.type === EVENT_POP) {
      frames.pop();
      continue;
    }
    const frame = frames.at(-1) ?? stream;
    if (frame.isMapping && frame.key === undefined) {
      // Kubernetes objects have scalars as keys; anything else leads nowhere.
      const name = event.type === EVENT_SCALAR ? getScalarValue(text, event) : '';
      frame.key = { name, offset: offsetOf(event) };
      continue;
    }
    const place = { offset: frame.key?.offset ?? offsetOf(event), children: new Map() };
    frame.place.children.set(frame.key?.name ?? frame.place.children.size, place);
    frame.key = undefined;
    if ('start' in event) {
      frames.push({ place, isMapping: event.type === EVENT_MAPPING, key: undefined });
    }
  }
  return [...stream.place.children.values()];
}

function offsetOf(event: Event): number {
  if ('valueStart' in event) return event.valueStart;
  if ('start' in event) return event.start;
  return 'anchorStart' in event ? event.anchorStart : 0;
}
