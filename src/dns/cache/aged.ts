import type { Message, Question, ResourceRecord } from '../message/message.ts';
import { canonicalName } from '../message/name.ts';

const eachRecord = (
  message: Message,
  change: (record: ResourceRecord) => ResourceRecord,
): Message => ({
  ...message,
  answers: message.answers.map(change),
  authorities: message.authorities.map(change),
  additionals: message.additionals.map(change),
});

/** The message with its TTLs lower by its age, at least 0. */
export function aged(message: Message, ageSeconds: number): Message {
  if (ageSeconds <= 0) return message;
  return eachRecord(message, (record) => ({
    ...record,
    ttl: Math.max(0, record.ttl - ageSeconds),
  }));
}

/** The message with all TTLs set. */
export function withTtl(message: Message, ttl: number): Message {
  return eachRecord(message, (record) => ({ ...record, ttl }));
}

/** The message with no TTL above `ttlMax`. */
export function withTtlMax(message: Message, ttlMax: number): Message {
  return eachRecord(message, (record) =>
    record.ttl > ttlMax ? { ...record, ttl: ttlMax } : record,
  );
}

/** The message as an answer to `question`, whose name may be in another case: RFC 4343 section 4.1. */
export function withQuestion(message: Message, question: Question): Message {
  const asked = canonicalName(message.question.name);
  const renamed = eachRecord(message, (record) =>
    record.name !== question.name && canonicalName(record.name) === asked
      ? { ...record, name: question.name }
      : record,
  );
  return { ...renamed, question };
}
