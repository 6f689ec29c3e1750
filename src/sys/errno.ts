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

/** What nftables answers when another transaction was faster. */
export const ERESTART = 85;

/** What the kernel's network code answers besides, and Node does not name (asm-generic/errno.h). */
const OTHER_NAMES: Readonly<Record<number, string>> = {
  // Of two names for one number, those the kernel uses.
  11: 'EAGAIN',
  95: 'EOPNOTSUPP',
  44: 'ECHRNG',
  54: 'EXFULL',
  64: 'ENONET',
  76: 'ENOTUNIQ',
  77: 'EBADFD',
  [ERESTART]: 'ERESTART',
  87: 'EUSERS',
  96: 'EPFNOSUPPORT',
  108: 'ESHUTDOWN',
  112: 'EHOSTDOWN',
  117: 'EUCLEAN',
  121: 'EREMOTEIO',
  126: 'ENOKEY',
  524: 'ENOTSUPP',
};

const names = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

/** The symbolic name of an errno value, such as `ENOENT`, or `errno 4095` for one without a name. */
export function errnoName(errno: number): string {
  return OTHER_NAMES[errno] ?? names.get(errno) ?? `errno ${errno}`;
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
