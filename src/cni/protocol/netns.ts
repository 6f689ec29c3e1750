import { Netns, NotANetnsError } from '../../sys/netns.ts';
import { CNI_CODE, CniError } from './error.ts';

/** Opens the pod's namespace. Throws CniError. */
export function openPodNetns(path: string): Netns {
  try {
    return Netns.open(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CniError(CNI_CODE.invalidNetns, `failed to open netns "${path}": ${reason}`);
  }
}

/**
 * As openPodNetns, but undefined when there is none any more: no path, nothing at it, or a plain file
 * left behind. DEL has nothing to do inside then.
 */
export function tryOpenPodNetns(path: string): Netns | undefined {
  if (path === '') return undefined;
  try {
    return Netns.open(path);
  } catch (error) {
    if (error instanceof NotANetnsError) return undefined;
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
