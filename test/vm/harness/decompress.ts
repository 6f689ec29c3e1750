import { execFileSync } from 'node:child_process';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

/** No kernel or module is larger. */
const BYTES_MAX = 512 << 20;

const FORMATS: readonly { magic: string; decompress: (data: Uint8Array) => Uint8Array }[] = [
  {
    magic: 'fd377a585a00',
    decompress: (input) =>
      execFileSync('xz', ['--decompress', '--stdout', '--single-stream'], {
        input,
        maxBuffer: BYTES_MAX,
      }),
  },
  { magic: '28b52ffd', decompress: (data) => zstdDecompressSync(data) },
  { magic: '1f8b', decompress: (data) => gunzipSync(data) },
];

/** What a kernel or a module is once unpacked, known by its first bytes; data of another kind as it is. */
export function decompress(data: Uint8Array): Uint8Array {
  const start = data.subarray(0, 6).toHex();
  const format = FORMATS.find(({ magic }) => start.startsWith(magic));
  return format === undefined ? data : format.decompress(data);
}
