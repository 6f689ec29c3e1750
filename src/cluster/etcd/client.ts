import type { Http2Session } from '../connect/session.ts';
import { Shared } from '../connect/shared.ts';
import { ConnectError } from '../connect/socket.ts';
import type { EtcdAccess } from './access.ts';
import { Call, CODE, EtcdError } from './call.ts';
import { connectMember, ETCD_LIMITS, type EtcdLimits } from './member.ts';
import { AUTHENTICATE, type Method } from './messages.ts';
import { type Decoded, decode, type Encodable, encode, type Message } from './protobuf.ts';

/** What etcd says when it does not know who asks (etcd/api/v3rpc/rpctypes/error.go). */
const UNKNOWN_ASKER = [
  'etcdserver: invalid auth token',
  'etcdserver: revision of auth store is old',
  'etcdserver: user name is empty',
];
const AUTH_NOT_ENABLED = 'etcdserver: authentication is not enabled';

/** A call that goes on: requests there, responses back. */
export interface Conversation<Request extends Message, Response extends Message>
  extends Disposable {
  send(request: Encodable<Request>): void;
  /** Throws EtcdError or ConnectError when it ends. */
  responses(): AsyncGenerator<Decoded<Response>, undefined>;
}

/** Asks one cluster of etcd, over one connection to any of its members, made when it is wanted. */
export class EtcdClient implements Disposable {
  readonly #access: EtcdAccess;
  readonly #userAgent: string;
  readonly #limits: EtcdLimits;
  /** Which member is tried first; any at the beginning, so that clients are spread. */
  #next: number;
  readonly #member: Shared<Http2Session>;
  #token: Promise<string | undefined> | undefined;
  /** Whether the last log-in gave a token, and not the word that nobody is asked. */
  #hasToken = false;

  constructor(access: EtcdAccess, userAgent: string, limits: EtcdLimits = ETCD_LIMITS) {
    this.#access = access;
    this.#userAgent = userAgent;
    this.#limits = limits;
    this.#next = Math.floor(Math.random() * access.endpoints.length);
    this.#member = new Shared((isAgain) => {
      if (isAgain) this.#next += 1;
      return this.#connectAny();
    });
  }

  /** The endpoints, for people. */
  get origin(): string {
    return this.#access.endpoints.map(({ origin }) => origin).join(',');
  }

  /**
   * One request and its response. What is repeatable is asked of the next member when one fails. Rejects
   * with EtcdError, with ConnectError when no member is there, with AccessError for credentials that
   * can't be used, with the signal's reason.
   */
  async call<Request extends Message, Response extends Message>(
    method: Method<Request, Response>,
    request: Encodable<Request>,
    signal: AbortSignal,
  ): Promise<Decoded<Response>> {
    const attempts = this.#access.endpoints.length + 1;
    for (let attempt = 1; ; attempt += 1) {
      const member = await this.#member.get();
      try {
        const headers = await this.#headers(member, signal);
        return await this.#once(member, method, request, headers, signal);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        const isKnownAsker = !this.#forgetToken(error);
        const isAway = this.#passOver(member, error);
        const isWorthAnother = !isKnownAsker || (isAway && method.isRepeatable);
        if (!isWorthAnother || attempt >= attempts) throw error;
      }
    }
  }

  /** Begins a call that goes on. Rejects as `call` does. */
  async open<Request extends Message, Response extends Message>(
    method: Method<Request, Response>,
    signal: AbortSignal,
  ): Promise<Conversation<Request, Response>> {
    const member = await this.#member.get();
    const headers = await this.#headers(member, signal);
    const { session, origin } = member;
    const call = new Call({ session, origin, path: method.path, headers, signal });
    const failed = (error: unknown) => {
      this.#forgetToken(error);
      this.#passOver(member, error);
    };
    return {
      send: (request) => call.send(encode(method.request, request)),
      async *responses(): AsyncGenerator<Decoded<Response>, undefined> {
        try {
          for await (const message of call.messages()) yield decode(method.response, message);
        } catch (error) {
          failed(error);
          throw error;
        }
      },
      [Symbol.dispose]: () => call[Symbol.dispose](),
    };
  }

  [Symbol.dispose](): void {
    this.#member[Symbol.dispose]();
  }

  async #once<Request extends Message, Response extends Message>(
    { session, origin }: Pick<Http2Session, 'session' | 'origin'>,
    method: Method<Request, Response>,
    request: Encodable<Request>,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Decoded<Response>> {
    const { answerTimeoutMs } = this.#limits;
    const ended = new AbortController();
    const onAbort = () => ended.abort(signal.reason);
    const timer = setTimeout(() => {
      ended.abort(new EtcdError(`${origin}: no answer within ${answerTimeoutMs / 1000} s`));
    }, answerTimeoutMs);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    try {
      const { path } = method;
      using call = new Call({ session, origin, path, headers, signal: ended.signal });
      call.send(encode(method.request, request));
      call.end();
      let last: Uint8Array | undefined;
      for await (const message of call.messages()) last = message;
      if (last === undefined) throw new EtcdError(`${origin}: an answer without a message`);
      return decode(method.response, last);
    } catch (error) {
      throw ended.signal.aborted ? ended.signal.reason : error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #headers(
    member: Http2Session,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, string>>> {
    const own = {
      'user-agent': this.#userAgent,
      // A member that lost the others says so, instead of what it last knew.
      hasleader: 'true',
    };
    const user = this.#access.user();
    if (user === undefined) return own;
    this.#token ??= this.#authenticate(member, user, own, signal);
    const token = await this.#token.catch((error: unknown) => {
      this.#token = undefined;
      throw error;
    });
    return token === undefined ? own : { ...own, token };
  }

  /** Logs in. Gives undefined where etcd asks nobody who they are. */
  async #authenticate(
    member: Http2Session,
    user: { readonly name: string; readonly password: string },
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    try {
      const { token } = await this.#once(member, AUTHENTICATE, user, headers, signal);
      this.#hasToken = true;
      return token;
    } catch (error) {
      this.#hasToken = false;
      if (error instanceof EtcdError && error.message.includes(AUTH_NOT_ENABLED)) return undefined;
      throw error;
    }
  }

  /** The token is forgotten when it is the reason for a failure. Gives whether it was. */
  #forgetToken(error: unknown): boolean {
    if (this.#access.user() === undefined || !(error instanceof EtcdError)) return false;
    const isReason =
      error.status === CODE.UNAUTHENTICATED ||
      // People are asked by now, and without a token we were who the certificate names.
      (error.status === CODE.PERMISSION_DENIED && !this.#hasToken) ||
      UNKNOWN_ASKER.some((text) => error.message.includes(text));
    if (isReason) this.#token = undefined;
    return isReason;
  }

  /** Takes the next member from now on when this one is the reason for a failure. Gives whether it is. */
  #passOver(member: Http2Session, error: unknown): boolean {
    const status = error instanceof EtcdError ? error.status : undefined;
    const isAway =
      error instanceof ConnectError ||
      (error instanceof EtcdError && (status === undefined || status === CODE.UNAVAILABLE));
    if (isAway && member.isUsable) member.retire();
    return isAway;
  }

  /** The first member that is there, from the next one on. */
  async #connectAny(): Promise<Http2Session> {
    const { endpoints } = this.#access;
    const problems: string[] = [];
    let cause: unknown;
    for (let tried = 0; tried < endpoints.length; tried += 1) {
      const endpoint = endpoints[this.#next % endpoints.length];
      if (endpoint === undefined) break;
      try {
        return await connectMember(this.#access, endpoint, this.#limits);
      } catch (error) {
        if (!(error instanceof ConnectError)) throw error;
        cause = error;
        problems.push(error.message);
        this.#next += 1;
      }
    }
    throw new ConnectError(problems.sort().join('; '), { cause });
  }
}
