import type { Readable } from 'node:stream';
import { PodwireError } from '../../errors.ts';
import { Shared } from '../connect/shared.ts';
import type { Access } from './access.ts';
import {
  CONNECTION_LIMITS,
  type Connection,
  type ConnectionLimits,
  KubeError,
  openConnection,
  type Request,
} from './connection.ts';

/** The API server itself gives up after a minute. */
const ANSWER_TIMEOUT_MS = 65_000;
const STATUS_BYTES_MAX = 64 << 10;
const SHOWN_CHARACTERS_MAX = 300;

/** What is asked of an API server. */
export interface KubeQuery {
  readonly path: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** The body is given up when nothing of it came for so long. */
  readonly idleMs: number;
}

/** A change of one object, as a strategic merge patch. */
export interface KubePatch {
  readonly path: string;
  readonly patch: object;
  readonly signal: AbortSignal;
}

/** What a request has beside who asks. */
interface Question extends Request {
  readonly idleMs: number;
}

/** Asks one API server, over one connection that is made when it is wanted. */
export class KubeClient implements Disposable {
  readonly #access: Access;
  readonly #userAgent: string;
  readonly #connection: Shared<Connection>;

  constructor(access: Access, userAgent: string, limits: ConnectionLimits = CONNECTION_LIMITS) {
    this.#access = access;
    this.#userAgent = userAgent;
    this.#connection = new Shared(() => openConnection(access, limits));
  }

  /** The server's origin, for people. */
  get origin(): string {
    return this.#access.server.origin;
  }

  /**
   * The body of a GET, while it comes. Rejects with KubeError when there is no answer or not the one
   * that was asked for, with ConnectError when there is no connection, with AccessError for credentials
   * that can't be used; what is read from the body throws either of the first when it is cut short.
   */
  async get({ path, parameters, signal, idleMs }: KubeQuery): Promise<AsyncIterable<Uint8Array>> {
    const asked = `${path}?${new URLSearchParams(parameters)}`;
    return this.#ask({ method: 'GET', path: asked, headers: {}, signal, idleMs });
  }

  /** Has the server change an object. Rejects as `get` does. */
  async patch({ path, patch, signal }: KubePatch): Promise<void> {
    const headers = { 'content-type': 'application/strategic-merge-patch+json' };
    const body = JSON.stringify(patch);
    const idleMs = ANSWER_TIMEOUT_MS;
    const answer = await this.#ask({ method: 'PATCH', path, headers, body, signal, idleMs });
    // The object as it is now, which comes by a watch as well.
    for await (const _ of answer);
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  async #ask(question: Question): Promise<AsyncIterable<Uint8Array>> {
    const { signal, idleMs } = question;
    const authorization = await this.#access.authorization();
    const connection = await this.#connection.get();
    const base = this.#access.server.pathname.replace(/\/$/, '');
    const headers = {
      accept: 'application/json',
      'user-agent': this.#userAgent,
      ...question.headers,
      ...(authorization === undefined ? {} : { authorization }),
    };
    const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const ended = new AbortController();
    const onTimeout = () => ended.abort(new KubeError(`${this.origin}: no answer within a minute`));
    const onAbort = () => ended.abort(signal.reason);
    timeout.addEventListener('abort', onTimeout);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    try {
      const answer = await connection.send({
        ...question,
        path: `${base}${question.path}`,
        headers,
        signal: ended.signal,
      });
      if (answer.status === 200) {
        const release = () => signal.removeEventListener('abort', onAbort);
        return read(answer.body, this.origin, idleMs, release);
      }
      if (answer.status === 401) {
        // Credentials may be those of the connection, so the next request makes another.
        this.#access.refused();
        connection.retire();
      }
      const problem = await statusMessage(answer.body);
      throw new KubeError(
        `${this.origin}${question.path.split('?')[0]}: ${answer.status}: ${problem}`,
        answer.status,
        Number(answer.retryAfter ?? 0) * 1000 || 0,
      );
    } catch (error) {
      signal.removeEventListener('abort', onAbort);
      throw ended.signal.aborted ? ended.signal.reason : error;
    } finally {
      timeout.removeEventListener('abort', onTimeout);
    }
  }
}

/** The chunks of a body; ends with KubeError when it is cut short or falls silent. */
async function* read(
  body: Readable,
  origin: string,
  idleMs: number,
  release: () => void,
): AsyncGenerator<Uint8Array, undefined> {
  let timer: NodeJS.Timeout | undefined;
  const expect = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      body.destroy(new KubeError(`${origin}: nothing heard for ${idleMs / 1000} s`));
    }, idleMs);
  };
  try {
    expect();
    for await (const chunk of body) {
      yield chunk as Uint8Array;
      expect();
    }
  } catch (error) {
    const known = error instanceof PodwireError || (error as Error).name === 'AbortError';
    throw known ? error : new KubeError(`${origin}: ${(error as Error).message}`);
  } finally {
    clearTimeout(timer);
    release();
    body.destroy();
  }
}

/** The message of a Status, or the beginning of whatever it is. */
async function statusMessage(body: Readable): Promise<string> {
  let text = '';
  for await (const chunk of body) {
    text += (chunk as Uint8Array).toString();
    if (text.length > STATUS_BYTES_MAX) break;
  }
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === 'string') return message.slice(0, SHOWN_CHARACTERS_MAX);
  } catch {
    // Proxies answer with what they like.
  }
  return text.trim().slice(0, SHOWN_CHARACTERS_MAX) || 'no reason given';
}
