import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ListSplitter } from './list-splitter.ts';

/** The items and the head of a list that comes in chunks of `size` bytes. */
function split(text: string, size: number): { items: unknown[]; head: unknown } {
  const splitter = new ListSplitter();
  const bytes = Buffer.from(text);
  const items: unknown[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    for (const item of splitter.push(bytes.subarray(at, at + size))) items.push(JSON.parse(item));
  }
  return { items, head: splitter.end() };
}

describe('ListSplitter', () => {
  it('gives the items and what is around them, wherever the chunks end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.dictionary(fc.string(), fc.jsonValue())),
        fc.dictionary(fc.string(), fc.string()),
        fc.boolean(),
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(undefined, 2),
        (items, metadata, isFirst, size, indent) => {
          const plain = JSON.parse(JSON.stringify({ items, metadata })) as typeof list;
          const list = isFirst
            ? { metadata, items, kind: 'List' }
            : { items, kind: 'List', metadata };
          const parts = split(JSON.stringify(list, undefined, indent), size);
          expect(parts.items).toEqual(plain.items);
          expect(Object.keys(parts.head as object)).toEqual(Object.keys(list));
          expect((parts.head as typeof list).items).toEqual([]);
        },
      ),
    );
  });

  it('takes braces, quotes and "items" in strings for what they are', () => {
    const item = { a: '"items":[{}]', items: [{ items: [] }], b: '\\"}{][' };
    const text = JSON.stringify({ metadata: { resourceVersion: '7' }, items: [item, item] });
    for (let size = 1; size < text.length; size += 1) {
      const { items, head } = split(text, size);
      expect(items).toEqual([item, item]);
      expect(head).toEqual({ metadata: { resourceVersion: '7' }, items: [] });
    }
  });

  it('reads a list without items', () => {
    expect(split('{"items":null,"kind":"List"}', 5)).toEqual({
      items: [],
      head: { items: null, kind: 'List' },
    });
  });

  it('refuses a list that was cut short', () => {
    const text = JSON.stringify({ metadata: {}, items: [{ a: 1 }, { b: 2 }] });
    for (let length = 0; length < text.length; length += 1) {
      expect(() => split(text.slice(0, length), 7)).toThrow(SyntaxError);
    }
  });

  it('refuses an item that is too long, before all of it is there', () => {
    const splitter = new ListSplitter();
    const start = Buffer.from('{"items":[{"a":"');
    const more = Buffer.alloc(1 << 20, 'x');
    expect(() => {
      for (const chunk of [start, ...Array.from({ length: 9 }, () => more)]) {
        for (const item of splitter.push(chunk)) expect(item).toBe('nothing');
      }
    }).toThrow(/an item of more than 8388608 bytes/);
  });
});
