import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { rolldown } from 'rolldown';
import { type CpioEntry, cpioArchive } from './cpio.ts';
import { decompress } from './decompress.ts';
import type { Kernel } from './kernel.ts';
import { moduleFiles } from './modules.ts';

/** What the guest needs before it sees the host's root; everything else is loaded from there. */
const MODULES = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay'];

const guest = join(import.meta.dirname, 'guest');
const DIRECTORIES = 'bin dev lower modules proc project root sys upper'.split(' ');

/** The guest's first root: busybox, the modules, and what is in guest/. */
export async function initramfs(kernel: Kernel): Promise<Uint8Array> {
  const files = moduleFiles(kernel.directory, kernel.release, MODULES);
  const modules = files.map((path) => ({
    name: basename(path).replace(/\.ko\..*$/, '.ko'),
    data: decompress(readFileSync(path)),
  }));
  const order = modules.map(({ name }) => `${name}\n`).join('');
  return cpioArchive([
    ...DIRECTORIES.map((path): CpioEntry => ({ path, mode: 0o040755 })),
    executable('init', readFileSync(join(guest, 'init'))),
    file('start', readFileSync(join(guest, 'start'))),
    file('agent.mjs', await agent()),
    executable('bin/busybox', readFileSync(kernel.busybox)),
    ...modules.map(({ name, data }) => file(`modules/${name}`, data)),
    file('modules/order', Buffer.from(order)),
  ]);
}

/** As one file of JavaScript: to strip the types would take the guest a second. */
async function agent(): Promise<Uint8Array> {
  await using bundle = await rolldown({ input: join(guest, 'agent.ts'), platform: 'node' });
  const { output } = await bundle.generate({ format: 'esm' });
  return Buffer.from(output[0].code);
}

function file(path: string, data: Uint8Array): CpioEntry {
  return { path, mode: 0o100644, data };
}

function executable(path: string, data: Uint8Array): CpioEntry {
  return { path, mode: 0o100755, data };
}
