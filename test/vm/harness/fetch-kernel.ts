import { execFileSync } from 'node:child_process';
import {
  closeSync,
  globSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { KERNELS } from './kernel.ts';
import { vmlinuxOf } from './vmlinux.ts';

/** Parts of a kernel's package that a guest without hardware has a use for; half of it is drivers. */
const PARTS = [
  './boot/vmlinuz-*',
  '*/modules/*/modules.*',
  ...['arch', 'block', 'crypto', 'fs', 'lib', 'net'].map((part) => `*/modules/*/kernel/${part}/*`),
  ...['block', 'char', 'net', 'virtio'].map((part) => `*/modules/*/kernel/drivers/${part}/*`),
];

/**
 * Downloads the package and unpacks it, without installing it: no boot loader, no scripts. A package
 * that only depends on a kernel's, such as linux-image-amd64, stands for that one.
 */
export function fetchKernel(name: string): void {
  const work = join(KERNELS, 'fetch');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const image = /^Depends:.*?\b(linux-image-\d[\w.+-]*)/m.exec(show(name))?.[1] ?? name;
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
  rmSync(join(KERNELS, name), { recursive: true, force: true });
  // Only what is whole gets the name that is looked for.
  renameSync(made, join(KERNELS, name));
  rmSync(work, { recursive: true, force: true });
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
