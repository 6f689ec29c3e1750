import { decompress } from './decompress.ts';

/* Fields of the header of a bzImage (Documentation/arch/x86/boot.rst), by their offset. */
const SETUP_SECTORS = 0x1f1;
const MAGIC = 0x202;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const SECTOR_BYTES = 512;
const HDRS = 0x53726448; // "HdrS"

/**
 * The kernel itself out of a bzImage. QEMU starts it as it is, which spares an emulated processor the
 * unpacking.
 */
export function vmlinuxOf(bzImage: Uint8Array): Uint8Array {
  const view = new DataView(bzImage.buffer, bzImage.byteOffset, bzImage.byteLength);
  if (bzImage.length < SECTOR_BYTES * 2 || view.getUint32(MAGIC, true) !== HDRS) {
    throw new Error('not a bzImage: expected HdrS at 0x202');
  }
  // A count of zero means four, from before there were others.
  const start = ((view.getUint8(SETUP_SECTORS) || 4) + 1) * SECTOR_BYTES;
  const from = start + view.getUint32(PAYLOAD_OFFSET, true);
  const payload = bzImage.subarray(from, from + view.getUint32(PAYLOAD_LENGTH, true));
  const vmlinux = decompress(payload);
  if (!vmlinux.subarray(0, 4).toHex().startsWith('7f454c46')) {
    throw new Error(`the kernel in the bzImage starts with ${payload.subarray(0, 6).toHex()}`);
  }
  return vmlinux;
}
