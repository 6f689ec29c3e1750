/** A file, directory, device or link of an archive; `data` is a link's target. */
export interface CpioEntry {
  /** Without a leading slash. */
  readonly path: string;
  /** st_mode: type and permissions, such as 0o100644. */
  readonly mode: number;
  readonly data?: Uint8Array;
}

const TRAILER = 'TRAILER!!!';

/**
 * A cpio archive in the "newc" format, which the kernel unpacks as its first root
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Directories come before what is in
 * them, as given. Everything belongs to root and is as old as the epoch.
 */
export function cpioArchive(entries: readonly CpioEntry[]): Uint8Array {
  const parts = entries.flatMap((entry, index) => record(entry, index + 1));
  return Buffer.concat([...parts, ...record({ path: TRAILER, mode: 0 }, 0)]);
}

function record({ path, mode, data = new Uint8Array(0) }: CpioEntry, inode: number): Uint8Array[] {
  const name = Buffer.from(`${path}\0`);
  const fields = [
    inode,
    mode,
    0, // uid
    0, // gid
    1, // nlink
    0, // mtime
    data.length,
    0, // major and minor of the file system
    0,
    0, // major and minor of a device
    0,
    name.length,
    0, // check, not used by newc
  ];
  const hex = fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  const header = Buffer.from(`070701${hex}`);
  return [header, name, padding(header.length + name.length), data, padding(data.length)];
}

/** What follows `length` bytes up to the next multiple of four. */
function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}
