import type { Token } from '../../corefile/lexer.ts';
import { fail, oneOf } from '../../corefile/values.ts';
import type { Message } from '../../message/message.ts';
import { canonicalName, parseLabels } from '../../message/name.ts';
import { fillGroups, MATCH_KINDS, type MatchKind, parsePattern, replaceName } from './match.ts';
import { changeDataNames, changeRecords } from './records.ts';
import type { RuleBody } from './rule.ts';

/** What is done to the answer of a query whose name was changed. */
type AnswerChange = (reply: Message, original: string, rewritten: string) => Message;

/** `name [KIND] FROM TO [answer auto | [answer] name FROM TO | [answer] value FROM TO ...]` */
export function parseNameRule(field: Token, words: readonly Token[]): RuleBody {
  const isKind = (MATCH_KINDS as readonly string[]).includes(words[0]?.text ?? '');
  const kind: MatchKind =
    isKind && words.length > 2 ? oneOf(words[0] ?? field, MATCH_KINDS) : 'exact';
  const rest = isKind && words.length > 2 ? words.slice(1) : words;
  const [from, to, ...options] = rest;
  if (from === undefined || to === undefined) fail(field, 'rewrite name: expected FROM and TO');
  const pattern = parsePattern(kind, from);
  const changes = parseAnswerChanges(
    field,
    options,
    kind,
    from.text.toLowerCase(),
    to.text.toLowerCase(),
  );
  if (kind === 'exact') changes.unshift(backToOriginal);
  return {
    says: `asks for ${to.text} instead of ${kind === 'exact' ? '' : `${kind} `}${from.text}`,
    apply(query) {
      const match = pattern.match(query.name);
      if (match === undefined) return undefined;
      const rewritten = replaceName(
        kind,
        from.text.toLowerCase(),
        to.text.toLowerCase(),
        query.name,
        match,
      );
      // Throws when it is no name: the query ends in SERVFAIL.
      parseLabels(rewritten);
      const { request } = query;
      const original = request.question.name;
      const question = { ...request.question, name: rewritten };
      return {
        query: { ...query, name: rewritten, request: { ...request, question } },
        answer: (reply) =>
          changes.reduce((changed, change) => change(changed, original, rewritten), reply),
      };
    },
  };
}

function parseAnswerChanges(
  field: Token,
  options: readonly Token[],
  kind: MatchKind,
  from: string,
  to: string,
): AnswerChange[] {
  const changes: AnswerChange[] = [];
  for (let at = 0; at < options.length; at += 1) {
    const token = options[at];
    if (token === undefined) break;
    if (token.text === 'answer') continue;
    if (token.text === 'auto' || (token.text === 'name' && options[at + 1]?.text === 'auto')) {
      if (token.text === 'name') at += 1;
      changes.push(kind === 'suffix' ? suffixBack(from, to) : backToOriginal);
      continue;
    }
    if (token.text !== 'name' && token.text !== 'value') {
      fail(token, `rewrite name: expected answer auto, name or value, got "${token.text}"`);
    }
    const [first, second] = [options[at + 1], options[at + 2]];
    if (first === undefined || second === undefined) {
      fail(token, `rewrite name: expected FROM and TO after answer ${token.text}`);
    }
    const pattern = parsePattern('regex', first);
    const change = (name: string): string => {
      const match = pattern.match(name.toLowerCase());
      return match === undefined ? name : canonicalName(fillGroups(second.text, match));
    };
    changes.push(token.text === 'name' ? onOwners(change) : onValues(change));
    at += 2;
  }
  if (options.length > 0 && changes.length === 0) fail(field, 'rewrite name: expected answer auto');
  return changes;
}

const onOwners =
  (change: (name: string) => string): AnswerChange =>
  (reply) =>
    changeRecords(reply, (record) => ({ ...record, name: change(record.name) }));

const onValues =
  (change: (name: string) => string): AnswerChange =>
  (reply) =>
    changeRecords(reply, (record) => changeDataNames(record, change));

/** What was asked for instead gets the name that was asked for. */
const backToOriginal: AnswerChange = (reply, original, rewritten) =>
  changeRecords(reply, (record) =>
    canonicalName(record.name) === rewritten ? { ...record, name: original } : record,
  );

const suffixBack = (from: string, to: string): AnswerChange => {
  const [old, changed] = [canonicalName(from), canonicalName(to)];
  return onOwners((name) =>
    name.toLowerCase().endsWith(changed) ? name.slice(0, -changed.length) + old : name,
  );
};
