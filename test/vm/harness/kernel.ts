import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where kernels lie, each in a folder named as its package. */
export const KERNELS = join(import.meta.dirname, '../../../.cache/vm');

/** The Debian package of the kernel to boot: the distribution's own, unless VM_KERNEL names one. */
export const KERNEL_PACKAGE = packageName(process.env.VM_KERNEL ?? 'linux-image-amd64');

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
  const directory = join(KERNELS, name);
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

function packageName(name: string): string {
  if (/^linux-image-[a-z0-9.+-]+$/.test(name)) return name;
  throw new Error(`VM_KERNEL: ${name}, expected a package such as linux-image-amd64`);
}
