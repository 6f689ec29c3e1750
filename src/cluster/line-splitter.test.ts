import { describe, expect, it } from 'vitest';
import { LineSplitter } from './line-splitter.ts';

describe('LineSplitter', () => {
  it('gives whole lines, wherever the chunks end', () => {
    const text = '{"a":"ä"}\n\n{"b":"€"}\r\nlast, without an end';
    const bytes = Buffer.from(text);
    for (let size = 1; size <= bytes.length; size += 1) {
      const splitter = new LineSplitter();
      const lines: string[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        lines.push(...splitter.push(bytes.subarray(at, at + size)));
      }
      expect(lines).toEqual(['{"a":"ä"}', '{"b":"€"}\r']);
    }
  });

  it('refuses a line without an end', () => {
    const splitter = new LineSplitter();
    const chunk = Buffer.alloc(1 << 20, 'x');
    expect(() => {
      for (let index = 0; index < 9; index += 1) for (const _ of splitter.push(chunk));
    }).toThrow(/a line of more than 8388608 bytes/);
  });
});
