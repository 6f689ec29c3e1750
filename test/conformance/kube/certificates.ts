import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate and its key, as files. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}

/** A certificate authority. */
export function makeAuthority(directory: string, name: string): KeyPair {
  const [cert, key] = [join(directory, `${name}.crt`), join(directory, `${name}.key`)];
  openssl('req', '-x509', ...NEW_KEY, '-keyout', key, '-out', cert, '-subj', `/CN=${name}`);
  return { cert, key };
}

/** A certificate of an authority, with a subject such as `/O=group/CN=user` and alternative names. */
export function makeCertificate(
  directory: string,
  name: string,
  authority: KeyPair,
  subject: string,
  alternativeNames?: string,
): KeyPair {
  const [cert, key] = [join(directory, `${name}.crt`), join(directory, `${name}.key`)];
  const request = join(directory, `${name}.csr`);
  openssl('req', ...NEW_KEY, '-keyout', key, '-out', request, '-subj', subject);
  const extensions = join(directory, `${name}.ext`);
  writeFileSync(
    extensions,
    alternativeNames === undefined ? '' : `subjectAltName=${alternativeNames}`,
  );
  const sign = ['-CA', authority.cert, '-CAkey', authority.key, '-CAcreateserial', '-days', '2'];
  openssl('x509', '-req', '-in', request, '-out', cert, '-extfile', extensions, ...sign);
  return { cert, key };
}
