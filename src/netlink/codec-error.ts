import { PodwireError } from '../errors.ts';

/** A message from the kernel that does not have the shape its table says. */
export class DecodeError extends PodwireError {
  /** Where, such as `linkinfo.data.mtu`. */
  readonly path: string;
  /** What is wrong there. */
  readonly problem: string;

  constructor(path: string, problem: string) {
    super('ERR_NETLINK_DECODE', `netlink attribute ${path}: ${problem}`);
    this.path = path;
    this.problem = problem;
  }
}

/** A value that its table has no place for. */
export class EncodeError extends PodwireError {
  /** Where, such as `linkinfo.data.mtu`. */
  readonly path: string;
  /** What is wrong there. */
  readonly problem: string;

  constructor(path: string, problem: string) {
    super('ERR_NETLINK_ENCODE', `netlink attribute ${path}: ${problem}`);
    this.path = path;
    this.problem = problem;
  }
}
