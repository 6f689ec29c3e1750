import { netlinkErrno } from './error.ts';

/**
 * Does `work` and gives true, or false when the kernel refuses with `errno`: the object was there
 * already, or was gone. Throws whatever else `work` throws.
 */
export function happens(errno: number, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (netlinkErrno(error) === errno) return false;
    throw error;
  }
}
