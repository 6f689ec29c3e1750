import { CNI_CODE, CniError } from '../protocol/error.ts';

/** A refusal in the reference's words; what is wrong with the field, by `Fields.wrong`, is its details. */
export function refusal(message: string, { message: details }: CniError): CniError {
  return new CniError(CNI_CODE.invalidConfig, message, details);
}
