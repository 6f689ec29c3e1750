import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type CpioEntry, cpioArchive } from './cpio.ts';
import { decompress } from './decompress.ts';
import type { Kernel } from './kernel.ts';
import { moduleFiles } from './modules.ts';

/** What the guest needs before it sees the host's root; everything else is loaded from there. */
const MODULES = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay'];

const DIRECTORIES = 'bin dev lower modules proc root sys upper'.split(' ');

/** The guest's first root: busybox, the modules and guest/init. */
export function initramfs(kernel: Kernel): Uint8Array {
  const files = moduleFiles(kernel.directory, kernel.release, MODULES);
  const modules = files.map((path) => ({
    name: basename(path).replace(/\.ko\..*$/, '.ko'),
    data: decompress(readFileSync(path)),
  }));
  const order = modules.map(({ name }) => `${name}\n`).join('');
  return cpioArchive([
    ...DIRECTORIES.map((path): CpioEntry => ({ path, mode: 0o040755 })),
    executable('init', readFileSync(join(import.meta.dirname, 'guest/init'))),
    executable('bin/busybox', readFileSync(kernel.busybox)),
    ...modules.map(({ name, data }) => ({ path: `modules/${name}`, mode: 0o100644, data })),
    { path: 'modules/order', mode: 0o100644, data: Buffer.from(order) },
  ]);
}

function executable(path: string, data: Uint8Array): CpioEntry {
  return { path, mode: 0o100755, data };
}
