import { describe, expect, it } from 'vitest';
import { encodeFrame, FRAME_BYTES_MAX, FrameReader } from './frame.ts';

describe('FrameReader', () => {
  const messages = [{ a: 1n, b: new Map([[1, 'x']]) }, 'two', new Uint8Array([1, 2, 3]), undefined];
  const stream = Buffer.concat(messages.map(encodeFrame));

  it.each([1, 2, 3, 5, 7, 64, stream.length])(
    'gives whole messages out of pieces of %i',
    (size) => {
      const reader = new FrameReader();
      const got: unknown[] = [];
      for (let at = 0; at < stream.length; at += size) {
        got.push(...reader.push(stream.subarray(at, at + size)));
      }
      expect(got).toEqual(messages);
    },
  );

  it('refuses a length that no message has', () => {
    const header = Buffer.alloc(4);
    header.writeUInt32LE(FRAME_BYTES_MAX + 1);
    expect(() => new FrameReader().push(header)).toThrow(
      `a frame of ${FRAME_BYTES_MAX + 1} bytes, at most ${FRAME_BYTES_MAX} expected`,
    );
  });
});
