import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fetchKernel } from './fetch-kernel.ts';
import { cachedKernel, KERNEL_PACKAGE } from './kernel.ts';
import { machineLacks, VM_PACKAGES } from './needs.ts';

/* For `make test-vm`: installs QEMU and fetches the kernel, once. */

const lacks = machineLacks();
if (lacks === undefined) {
  execFileSync(join(import.meta.dirname, '../../../scripts/setup.sh'), VM_PACKAGES, {
    stdio: 'inherit',
  });
  if (cachedKernel(KERNEL_PACKAGE) === undefined) {
    process.stdout.write(`vm: fetching ${KERNEL_PACKAGE}\n`);
    // A bare machine has no list of packages yet, and an old one names files that are gone.
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'inherit' });
    fetchKernel(KERNEL_PACKAGE);
  }
} else {
  process.stdout.write(`vm: left out: ${lacks}\n`);
}
