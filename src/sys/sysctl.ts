import { readFileSync, writeFileSync } from 'node:fs';

/*
 * Network sysctls belong to a namespace: /proc/sys/net shows that of the thread that opens the
 * file. Synchronous file calls stay on the calling thread, so these work inside Netns.run.
 */

/** The path of a sysctl in slash form, such as `net/ipv4/ip_forward`; interface names may have dots. */
function pathOf(name: string): string {
  const parts = name.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw new Error(`sysctl name "${name}" must be a relative path such as net/ipv4/ip_forward`);
  }
  return `/proc/sys/${name}`;
}

/** The value without its line end, or undefined where this kernel has no such sysctl. */
export function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(pathOf(name), 'utf8').trimEnd();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes the value where it differs. Gives false where this kernel has no such sysctl. */
export function writeSysctl(name: string, value: string): boolean {
  const current = readSysctl(name);
  if (current === undefined) return false;
  if (current !== value) writeFileSync(pathOf(name), value);
  return true;
}
