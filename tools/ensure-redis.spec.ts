import type { FoundRedisServer } from '@sconce/redis-server';
import { describe, expect, it } from 'vitest';
import { ensureRedis, type Machine } from './ensure-redis.ts';

const REDIS: FoundRedisServer = { path: '/usr/bin/redis-server', version: '7.0.15', flavour: 'redis' };
const ENV = 'env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get';

interface Case {
  readonly name: string;
  readonly installed?: boolean;
  readonly programs?: readonly string[];
  readonly isRoot?: boolean;
  /** Commands (by what they contain) that fail. */
  readonly failing?: string;
  /** Whether apt-get's package gives a usable Redis. */
  readonly useless?: boolean;
  readonly verbose?: boolean;
  readonly code: 0 | 1;
  readonly ran?: readonly string[];
  readonly printed?: readonly RegExp[];
  readonly errors?: readonly RegExp[];
}

const CASES: readonly Case[] = [
  { name: 'a Redis is there: silent', installed: true, code: 0 },
  { name: 'a Redis is there, verbose', installed: true, verbose: true, code: 0, printed: [/7\.0\.15/] },
  {
    name: 'root with apt-get',
    programs: ['apt-get'],
    isRoot: true,
    code: 0,
    ran: [`${ENV} update`, `${ENV} install -y --no-install-recommends redis-server`],
    printed: [/installing/, /installed: \/usr\/bin/],
  },
  {
    name: 'sudo that asks for nothing',
    programs: ['apt-get', 'sudo'],
    code: 0,
    ran: ['sudo -n true', `sudo -n ${ENV} update`, `sudo -n ${ENV} install -y --no-install-recommends redis-server`],
    printed: [/installing/, /installed/],
  },
  {
    name: 'sudo that wants a password',
    programs: ['apt-get', 'sudo'],
    failing: 'sudo -n true',
    code: 1,
    ran: ['sudo -n true'],
    errors: [/cannot be installed from here/, /brew install/],
  },
  { name: 'apt-get without rights', programs: ['apt-get'], code: 1, errors: [/not installed/, /apt-get install/] },
  { name: 'no apt-get', isRoot: true, code: 1, errors: [/not installed/, /dnf install/] },
  {
    name: 'apt-get fails',
    programs: ['apt-get'],
    isRoot: true,
    failing: 'update',
    code: 1,
    ran: [`${ENV} update`],
    printed: [/installing/],
    errors: [/could not install redis-server: E: no network$/, /Install Redis/],
  },
  {
    name: 'the package is too old',
    programs: ['apt-get'],
    isRoot: true,
    useless: true,
    code: 1,
    ran: [`${ENV} update`, `${ENV} install -y --no-install-recommends redis-server`],
    printed: [/installing/],
    errors: [/no usable Redis/, /Install Redis/],
  },
];

describe('ensureRedis', () => {
  it.each(CASES)('$name', async (given) => {
    const ran: string[] = [];
    const printed: string[] = [];
    const errors: string[] = [];
    let installed = given.installed ?? false;
    const machine: Machine = {
      find: async () => (installed ? REDIS : undefined),
      hasProgram: (name) => given.programs?.includes(name) ?? false,
      isRoot: given.isRoot ?? false,
      run: async (command, args, timeoutMs) => {
        const line = [command, ...args].join(' ');
        ran.push(line);
        expect(Number.isInteger(timeoutMs) && timeoutMs > 0 && timeoutMs <= 300_000).toBe(true);
        if (given.failing !== undefined && line.includes(given.failing)) throw new Error('W: slow\nE: no network\n');
        if (line.includes(' install ')) installed = given.useless !== true;
      },
      print: (line) => printed.push(line),
      printError: (line) => errors.push(line),
    };
    expect(await ensureRedis(machine, { verbose: given.verbose ?? false })).toBe(given.code);
    expect(ran).toEqual(given.ran ?? []);
    expect(printed).toEqual((given.printed ?? []).map((pattern) => expect.stringMatching(pattern) as string));
    expect(errors).toEqual((given.errors ?? []).map((pattern) => expect.stringMatching(pattern) as string));
  });
});
