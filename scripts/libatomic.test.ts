import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DT_NEEDED, DT_VERNEEDNUM, Elf } from './elf.ts';
import { dropLibatomic } from './libatomic.ts';

const neededBy = (elf: Elf): string[] =>
  elf
    .dynamic()
    .filter(({ tag }) => tag === DT_NEEDED)
    .map(({ value }) => elf.string(value));

describe('dropLibatomic', () => {
  // Node as it came by npm, which this runs under.
  const elf = new Elf(readFileSync(process.execPath));
  const before = neededBy(elf);
  const versions = elf.entry(DT_VERNEEDNUM).value;

  it('takes the library off the list, and nothing else', () => {
    expect(before).toContain('libatomic.so.1');
    expect(dropLibatomic(elf)).toBe(true);
    expect(neededBy(elf)).toEqual(before.filter((name) => name !== 'libatomic.so.1'));
    expect(elf.entry(DT_VERNEEDNUM).value).toBe(versions - 1);
  });

  it('does nothing the second time', () => {
    const bytes = Uint8Array.from(elf.bytes);
    expect(dropLibatomic(elf)).toBe(false);
    expect(Buffer.compare(elf.bytes, bytes)).toBe(0);
  });

  it('refuses what is no executable', () => {
    expect(() => new Elf(new TextEncoder().encode('#!/bin/sh\n'.repeat(10)))).toThrow(
      'not a 64-bit little-endian ELF file',
    );
  });
});
