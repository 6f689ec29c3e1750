import { parentPort } from 'node:worker_threads';
import { type Job, work } from './decode-thread/job.ts';

/* Where the thread begins that decodes objects for `decode-thread/thread.ts`. */
parentPort?.on('message', (job: Job) => parentPort?.postMessage(JSON.stringify(work(job))));
