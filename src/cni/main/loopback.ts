import { runAsPlugin } from '../executable.ts';
import { loopback } from '../loopback/plugin.ts';

runAsPlugin(loopback);
