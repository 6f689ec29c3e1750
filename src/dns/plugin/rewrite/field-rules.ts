import type { Token } from '../../corefile/lexer.ts';
import { fail, oneOf } from '../../corefile/values.ts';
import type { Message } from '../../message/message.ts';
import { canonicalName } from '../../message/name.ts';
import { classNumber, rcodeNumber, typeNumber } from '../../message/numbers.ts';
import { MATCH_KINDS, type MatchKind, type NamePattern, parsePattern } from './match.ts';
import { changeDataNames, changeRecords } from './records.ts';
import type { RuleBody } from './rule.ts';

const TTL_MAX = 0x7fff_ffff;
const TYPE_CNAME = 5;

/** `type FROM TO` */
export function parseTypeRule(field: Token, words: readonly Token[]): RuleBody {
  return questionRule(field, words, 'type', typeNumber);
}

/** `class FROM TO` */
export function parseClassRule(field: Token, words: readonly Token[]): RuleBody {
  return questionRule(field, words, 'class', classNumber);
}

function questionRule(
  field: Token,
  words: readonly Token[],
  part: 'type' | 'class',
  read: (text: string) => number | undefined,
): RuleBody {
  const [from, to] = exactly(field, words, 2);
  const number = (token: Token): number =>
    read(token.text) ?? fail(token, `rewrite ${part}: expected a ${part}, got "${token.text}"`);
  const [old, changed] = [number(from), number(to)];
  return {
    says: `asks for ${part} ${to.text} instead of ${from.text}`,
    apply(query) {
      const { request } = query;
      if (request.question[part] !== old) return undefined;
      const question = { ...request.question, [part]: changed };
      return { query: { ...query, request: { ...request, question } } };
    },
  };
}

/** `ttl [KIND] NAME SECONDS|MIN-MAX` */
export function parseTtlRule(field: Token, words: readonly Token[]): RuleBody {
  const { pattern, rest, says } = parseMatch(field, words, 1);
  const [range] = exactly(field, rest, 1);
  const match = /^([0-9]*)(-?)([0-9]*)$/.exec(range.text);
  if (match === null || range.text === '' || range.text === '-') {
    fail(range, `rewrite ttl: expected seconds or MIN-MAX, got "${range.text}"`);
  }
  const [, low = '', dash, high = ''] = match;
  const min = low === '' ? 0 : Number(low);
  const max = dash === '' ? min : high === '' ? TTL_MAX : Number(high);
  if (min > max || max > TTL_MAX)
    fail(range, `rewrite ttl: expected MIN up to MAX, got "${range.text}"`);
  return answerRule(pattern, `gives records of ${says} a TTL of ${range.text}`, (reply) =>
    changeRecords(reply, (record) => ({
      ...record,
      ttl: Math.min(Math.max(record.ttl, min), max),
    })),
  );
}

/** `rcode [KIND] NAME FROM TO` */
export function parseRcodeRule(field: Token, words: readonly Token[]): RuleBody {
  const { pattern, rest, says } = parseMatch(field, words, 2);
  const [from, to] = exactly(field, rest, 2);
  const number = (token: Token): number =>
    (/^[0-9]+$/.test(token.text) ? Number(token.text) : rcodeNumber(token.text)) ??
    fail(token, `rewrite rcode: expected a response code, got "${token.text}"`);
  const [old, changed] = [number(from), number(to)];
  return answerRule(pattern, `answers ${to.text} instead of ${from.text} for ${says}`, (reply) =>
    reply.rcode === old ? { ...reply, rcode: changed } : reply,
  );
}

/** `cname [KIND] FROM TO` */
export function parseCnameRule(field: Token, words: readonly Token[]): RuleBody {
  const { pattern, rest, says } = parseMatch(field, words, 1);
  const [to] = exactly(field, rest, 1);
  const change = (name: string): string =>
    pattern.match(canonicalName(name)) === undefined ? name : canonicalName(to.text);
  return {
    says: `lets CNAMEs to ${says} lead to ${to.text}`,
    apply: (query) => ({
      query,
      answer: (reply) =>
        changeRecords(reply, (record) =>
          record.type === TYPE_CNAME ? changeDataNames(record, change) : record,
        ),
    }),
  };
}

function answerRule(
  pattern: NamePattern,
  says: string,
  change: (reply: Message) => Message,
): RuleBody {
  return {
    says,
    apply: (query) =>
      pattern.match(query.name) === undefined ? undefined : { query, answer: change },
  };
}

/** `[KIND] NAME` and what follows, `after` words of it. */
function parseMatch(
  field: Token,
  words: readonly Token[],
  after: number,
): { readonly pattern: NamePattern; readonly rest: readonly Token[]; readonly says: string } {
  const hasKind = words.length > after + 1;
  const [first] = words;
  const kind: MatchKind = hasKind && first !== undefined ? oneOf(first, MATCH_KINDS) : 'exact';
  const name = words[hasKind ? 1 : 0];
  if (name === undefined) fail(field, `rewrite ${field.text}: expected a name`);
  const rest = words.slice(hasKind ? 2 : 1);
  const says = kind === 'exact' ? name.text : `${kind} ${name.text}`;
  return { pattern: parsePattern(kind, name), rest, says };
}

function exactly(field: Token, words: readonly Token[], count: 1): readonly [Token];
function exactly(field: Token, words: readonly Token[], count: 2): readonly [Token, Token];
function exactly(field: Token, words: readonly Token[], count: number): readonly Token[] {
  if (words.length !== count) {
    fail(
      words[count] ?? field,
      `rewrite ${field.text}: expected ${count} words, got ${words.length}`,
    );
  }
  return words;
}
