import { execFileSync } from 'node:child_process';
import {
  closeSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { vmlinuxOf } from './vmlinux.ts';

/** Where kernels lie, and what the guest keeps from one run to the next. */
export const VM_CACHE = join(import.meta.dirname, '../../../.cache/vm');

/** The Debian package of the kernel that is booted: the distribution's own, unless VM_KERNEL names one. */
export const KERNEL_PACKAGE = process.env.VM_KERNEL ?? 'linux-image-amd64';

/** Parts of a kernel package that a guest without hardware has a use for. */
const PARTS = [
  './boot/vmlinuz-*',
  '*/modules/*/modules.*',
  ...['arch', 'block', 'crypto', 'fs', 'lib', 'net', 'drivers/net', 'drivers/char'].map(
    (part) => `*/modules/*/kernel/${part}/*`,
  ),
  '*/modules/*/kernel/drivers/virtio/*',
];

/** A kernel that is unpacked and can be booted. */
export interface Kernel {
  /** What `uname -r` prints in the guest. */
  readonly release: string;
  /** Holds lib/modules. */
  readonly directory: string;
  readonly vmlinux: string;
  /** A statically linked busybox. */
  readonly busybox: string;
}

/** The kernel of a package; undefined as long as it was not fetched. */
export function cachedKernel(name: string): Kernel | undefined {
  const directory = join(VM_CACHE, 'kernel', name);
  try {
    const release = readFileSync(join(directory, 'release'), 'utf8');
    return {
      release,
      directory,
      vmlinux: join(directory, 'vmlinux'),
      busybox: join(directory, 'busybox'),
    };
  } catch {
    return undefined;
  }
}

/**
 * Downloads the package and unpacks it, without installing it: no boot loader, no scripts. A package
 * that only depends on a kernel, such as linux-image-amd64, stands for that kernel.
 */
export function fetchKernel(name: string): void {
  mkdirSync(VM_CACHE, { recursive: true });
  const work = mkdtempSync(join(VM_CACHE, 'fetch-'));
  try {
    const image = /^Depends:.*?\b(linux-image-\d\S*)/m.exec(show(name))?.[1] ?? name;
    unpack(download(image, work), work, PARTS);
    unpack(download('busybox-static', work), work, ['*/busybox']);
    const [bzImage] = globSync('boot/vmlinuz-*', { cwd: work });
    if (bzImage === undefined) throw new Error(`${image} has no boot/vmlinuz-*`);
    const release = bzImage.slice('boot/vmlinuz-'.length);
    const made = join(work, 'made');
    mkdirSync(join(made, 'lib/modules'), { recursive: true });
    move(work, `{,usr/}lib/modules/${release}`, join(made, 'lib/modules', release));
    move(work, '{,usr/}bin/busybox', join(made, 'busybox'));
    writeFileSync(join(made, 'vmlinux'), vmlinuxOf(readFileSync(join(work, bzImage))));
    execFileSync('depmod', ['-b', made, release]);
    writeFileSync(join(made, 'release'), release);
    const directory = join(VM_CACHE, 'kernel', name);
    mkdirSync(join(VM_CACHE, 'kernel'), { recursive: true });
    rmSync(directory, { recursive: true, force: true });
    renameSync(made, directory);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function show(name: string): string {
  return execFileSync('apt-cache', ['show', '--no-all-versions', name], { encoding: 'utf8' });
}

/** Gives the path of the package's file. */
function download(name: string, directory: string): string {
  const before = globSync('*.deb', { cwd: directory });
  execFileSync('apt-get', ['download', '-qq', '-o', 'APT::Sandbox::User=root', name], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const file = globSync('*.deb', { cwd: directory }).find((each) => !before.includes(each));
  if (file === undefined) throw new Error(`apt-get download ${name} left no file`);
  return join(directory, file);
}

function unpack(deb: string, directory: string, members: readonly string[]): void {
  const tar = join(directory, 'data.tar');
  const file = openSync(tar, 'w');
  try {
    execFileSync('dpkg-deb', ['--fsys-tarfile', deb], { stdio: ['ignore', file, 'inherit'] });
  } finally {
    closeSync(file);
  }
  execFileSync('tar', ['-x', '-f', tar, '-C', directory, '--wildcards', ...members]);
}

function move(directory: string, pattern: string, to: string): void {
  const [found] = globSync(pattern, { cwd: directory });
  if (found === undefined) throw new Error(`the package has no ${pattern}`);
  renameSync(join(directory, found), to);
}
