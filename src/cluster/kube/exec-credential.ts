import { execFile } from 'node:child_process';
import * as v from 'valibot';
import { AccessError } from '../connect/credential.ts';
import { check, FieldError } from '../decode.ts';

const TIMEOUT_MS = 30_000;
const OUTPUT_BYTES_MAX = 1 << 20;
const SHOWN_CHARACTERS_MAX = 300;
/** A credential is replaced this long before it expires. */
const LEEWAY_MS = 10_000;

/** The contract's versions (client.authentication.k8s.io). */
export const EXEC_VERSIONS = [
  'client.authentication.k8s.io/v1',
  'client.authentication.k8s.io/v1beta1',
] as const;

/** A program that gives credentials, as a kubeconfig names it. */
export interface ExecConfig {
  readonly apiVersion: (typeof EXEC_VERSIONS)[number];
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What to tell who lacks the program. */
  readonly installHint?: string;
  /** Told to the program when it asks for it (provideClusterInfo). */
  readonly cluster?: Readonly<Record<string, unknown>>;
}

/** What the program gave. */
export interface ExecCredential {
  readonly token?: string;
  readonly cert?: string;
  readonly key?: string;
}

const text = v.optional(v.string('expected a string'));
const answerSchema = v.object(
  {
    apiVersion: v.picklist(EXEC_VERSIONS, `expected "${EXEC_VERSIONS.join('" or "')}"`),
    kind: v.literal('ExecCredential', 'expected "ExecCredential"'),
    status: v.object(
      {
        expirationTimestamp: v.optional(
          v.pipe(
            v.string('expected a time'),
            v.check((time) => !Number.isNaN(Date.parse(time)), 'expected a time'),
          ),
        ),
        token: text,
        clientCertificateData: text,
        clientKeyData: text,
      },
      'expected the status of an ExecCredential',
    ),
  },
  'expected an ExecCredential',
);

/** Runs a program for credentials, and keeps what it gave until it expires. */
export class ExecCredentials {
  readonly #config: ExecConfig;
  #running: Promise<ExecCredential> | undefined;
  #expiresMs = 0;

  constructor(config: ExecConfig) {
    this.#config = config;
  }

  /** The credential to use now; who asks while the program runs waits for it. Rejects with AccessError. */
  async get(): Promise<ExecCredential> {
    if (this.#running === undefined || Date.now() >= this.#expiresMs) {
      this.#expiresMs = Number.POSITIVE_INFINITY;
      this.#running = this.#run();
      // A failure is not kept.
      this.#running.catch(() => this.forget());
    }
    return this.#running;
  }

  /** Has the program run again when a credential is asked for next. */
  forget(): void {
    this.#running = undefined;
  }

  async #run(): Promise<ExecCredential> {
    const { apiVersion, command } = this.#config;
    const answer = parseAnswer(command, await this.#output());
    if (answer.apiVersion !== apiVersion) {
      throw new AccessError(
        `exec: ${command}: expected apiVersion "${apiVersion}", got "${answer.apiVersion}"`,
      );
    }
    const { expirationTimestamp, token, clientCertificateData, clientKeyData } = answer.status;
    if ((clientCertificateData === undefined) !== (clientKeyData === undefined)) {
      throw new AccessError(
        `exec: ${command}: expected clientCertificateData and clientKeyData together`,
      );
    }
    if (token === undefined && clientCertificateData === undefined) {
      throw new AccessError(`exec: ${command}: expected a token or a certificate, got neither`);
    }
    if (expirationTimestamp !== undefined) {
      this.#expiresMs = Date.parse(expirationTimestamp) - LEEWAY_MS;
    }
    return {
      ...(token === undefined ? {} : { token }),
      ...(clientCertificateData === undefined ? {} : { cert: clientCertificateData }),
      ...(clientKeyData === undefined ? {} : { key: clientKeyData }),
    };
  }

  async #output(): Promise<string> {
    const { apiVersion, command, args, env, cluster, installHint } = this.#config;
    const spec = { interactive: false, ...(cluster === undefined ? {} : { cluster }) };
    const info = JSON.stringify({ apiVersion, kind: 'ExecCredential', spec });
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const child = execFile(
      command,
      args,
      {
        env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: info },
        timeout: TIMEOUT_MS,
        killSignal: 'SIGKILL',
        maxBuffer: OUTPUT_BYTES_MAX,
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new AccessError(`exec: ${command}: ${reasonOf(error, stderr, installHint)}`));
      },
    );
    // It has nobody to ask.
    child.stdin?.end();
    return promise;
  }
}

function reasonOf(
  { code, killed }: { code?: string | number | null; killed?: boolean },
  stderr: string,
  installHint = '',
): string {
  if (code === 'ENOENT') return `there is no such program. ${installHint}`.trim();
  if (killed) return `it did not end within ${TIMEOUT_MS / 1000} s`;
  return `it ended with ${code ?? 'a signal'}: ${stderr.trim().slice(0, SHOWN_CHARACTERS_MAX)}`;
}

function parseAnswer(command: string, output: string): v.InferOutput<typeof answerSchema> {
  try {
    return check(answerSchema, JSON.parse(output));
  } catch (error) {
    // The answer holds secrets, so only its fields are named.
    const problem =
      error instanceof FieldError
        ? error.message.replace(/, got .*$/s, '')
        : 'its output is not JSON';
    throw new AccessError(`exec: ${command}: ${problem}`);
  }
}
