import { PodwireError } from '../../errors.ts';
import { NetlinkError } from '../../netlink/error.ts';

/** The error codes of the CNI specification 1.1.0, section "Error", and of its library. */
export const CNI_CODE = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  io: 5,
  decode: 6,
  invalidConfig: 7,
  invalidNetns: 8,
  tryAgainLater: 11,
  notAvailable: 50,
  limitedConnectivity: 51,
  /** What the Go library gives an error that has no code of its own. */
  internal: 999,
} as const;

/** An error as a plugin reports it on stdout. */
export class CniError extends PodwireError {
  /** The number of the specification. */
  readonly cniCode: number;
  readonly details: string;

  constructor(cniCode: number, message: string, details = '', options?: ErrorOptions) {
    super('ERR_CNI', message, options);
    this.cniCode = cniCode;
    this.details = details;
  }

  /** What a plugin prints: `{code, msg, details?}`, indented by 4 as the reference does. */
  toJson(): string {
    const { cniCode: code, message: msg, details } = this;
    return JSON.stringify(details === '' ? { code, msg } : { code, msg, details }, undefined, 4);
  }
}

/** Any error as a CniError; one without a code becomes 999, with the kernel's own words as details. */
export function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  // Undoing failed as well: what the runtime needs to know is why it was undone.
  if (error instanceof SuppressedError) return toCniError(error.suppressed);
  if (error instanceof NetlinkError) {
    const { operation, errnoName, extack, fault } = error;
    const details = [extack, fault].filter((words) => words !== '').join('; ');
    const message = `${operation}: ${errnoName}`;
    return new CniError(CNI_CODE.internal, message, details, { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new CniError(CNI_CODE.internal, message, '', { cause: error });
}
