import { cachedKernel, KERNEL_PACKAGE } from './kernel.ts';

/** Debian packages with the programs the harness runs. */
export const VM_PACKAGES = ['kmod', 'qemu-system-x86', 'util-linux', 'xz-utils'];

/** Why no guest can run on this machine, whatever is installed; undefined when one can. */
export function machineLacks(): string | undefined {
  if (process.arch !== 'x64') return `guests are x64, and this machine is ${process.arch}`;
  if (process.getuid?.() !== 0) return 'not root';
  return undefined;
}

/** Why no guest can run now; undefined when one can. */
export function vmLacks(): string | undefined {
  const fetched = cachedKernel(KERNEL_PACKAGE) !== undefined;
  return machineLacks() ?? (fetched ? undefined : `${KERNEL_PACKAGE} was not fetched`);
}
