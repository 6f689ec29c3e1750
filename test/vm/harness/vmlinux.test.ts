import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { vmlinuxOf } from './vmlinux.ts';

const vmlinux = Buffer.from('\x7fELF and the rest');

/** A bzImage with two sectors of setup code and the payload a few bytes behind them. */
function bzImage(payload: Uint8Array): Uint8Array {
  const gap = 24;
  const image = Buffer.alloc(3 * 512 + gap + payload.length + 100);
  image[0x1f1] = 2;
  image.write('HdrS', 0x202);
  image.writeUInt32LE(gap, 0x248);
  image.writeUInt32LE(payload.length, 0x24c);
  image.set(payload, 3 * 512 + gap);
  return image;
}

describe('vmlinuxOf', () => {
  it.each([
    ['gzip', gzipSync(vmlinux)],
    ['zstd', zstdCompressSync(vmlinux)],
    ['nothing', vmlinux],
  ])('unpacks a kernel packed by %s', (_, payload) => {
    expect(Buffer.from(vmlinuxOf(bzImage(payload)))).toEqual(vmlinux);
  });

  it('refuses what is no bzImage', () => {
    expect(() => vmlinuxOf(vmlinux)).toThrow('not a bzImage');
    expect(() => vmlinuxOf(new Uint8Array(4096))).toThrow('not a bzImage');
  });

  it('names the first bytes of what it can not unpack', () => {
    expect(() => vmlinuxOf(bzImage(Buffer.from('BZh91AY')))).toThrow('starts with 425a68393141');
  });
});
