import { constants } from 'node:os';
import { PodwireError } from '../errors.ts';

/** The errno values that callers tell apart (errno(3)); `errnoName` names all the others. */
export const {
  EPERM,
  ENOENT,
  EINTR,
  ENXIO,
  EAGAIN,
  ENOMEM,
  EBUSY,
  EEXIST,
  ENODEV,
  EINVAL,
  ESRCH,
  EOPNOTSUPP,
  EADDRNOTAVAIL,
  ENETUNREACH,
  ENOBUFS,
  ETIMEDOUT,
} = constants.errno;

/** errno 512 and above stay inside the kernel, but nftables lets this one out on a generation race. */
export const ERESTART = 85;

/** The symbolic name of an errno value, such as `ENOENT`, or `errno 4095` for one without a name. */
export function errnoName(errno: number): string {
  for (const [name, value] of Object.entries(constants.errno)) {
    if (value === errno) return name;
  }
  return errno === ERESTART ? 'ERESTART' : `errno ${errno}`;
}

/** A libc call that failed: which one, with what arguments, and the errno it left. */
export class SysError extends PodwireError {
  readonly call: string;
  readonly errno: number;
  readonly errnoName: string;
  readonly detail: string;

  /** `detail` holds the arguments that matter to a reader, such as the path. */
  constructor(call: string, errno: number, detail: string) {
    const name = errnoName(errno);
    super('ERR_SYS', `${call}(${detail}): ${name}`);
    this.call = call;
    this.errno = errno;
    this.errnoName = name;
    this.detail = detail;
  }
}
