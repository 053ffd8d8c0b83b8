/** Every page of the admin interface, and how a request finds its page. */
import { actionPages } from './action-pages.ts';
import { certsPage } from './certs-page.ts';
import { configDumpPage } from './config-dump.ts';
import { type AdminPage, type AdminReply, type AdminView, textReply } from './contract.ts';
import { loggingPage } from './logging-page.ts';
import { memoryPage } from './memory-page.ts';
import { runtimePages } from './runtime-pages.ts';
import { prometheusPage, statsPage } from './stats-page.ts';
import { clustersPage, initDumpPage, listenersPage, readyPage, serverInfoPage } from './status-pages.ts';
import { unavailablePages } from './unavailable-pages.ts';

const hotRestartVersionPage: AdminPage = {
  path: '/hot_restart_version',
  method: 'GET',
  help: 'print the hot restart compatibility version',
  answer: () => textReply('disabled'),
};

const homePage: AdminPage = {
  path: '/',
  method: 'GET',
  help: 'admin home page',
  answer: () => ({ status: 200, contentType: 'text/html; charset=UTF-8', body: homeHtml() }),
};

const helpPage: AdminPage = {
  path: '/help',
  method: 'GET',
  help: 'print out list of admin commands',
  answer: () => textReply(helpText()),
};

function helpText(): string {
  return `admin commands are:\n${pages.map(pageHelp).join('')}`;
}

function pageHelp({ path, method, help, parameters = {} }: AdminPage): string {
  const lines = Object.entries(parameters).map(([name, meaning]) => `      ${name}: ${meaning}\n`);
  return `  ${path}${method === 'POST' ? ' (POST)' : ''}: ${help}\n${lines.join('')}`;
}

export const pages: readonly AdminPage[] = [
  homePage,
  certsPage,
  clustersPage,
  configDumpPage,
  helpPage,
  hotRestartVersionPage,
  initDumpPage,
  listenersPage,
  loggingPage,
  memoryPage,
  readyPage,
  serverInfoPage,
  statsPage,
  prometheusPage,
  ...actionPages,
  ...runtimePages,
  ...unavailablePages,
].sort((a, b) => (a.path < b.path ? -1 : 1));

/**
 * @param target of the request, such as `/stats?usedonly`.
 * @param form parameters in the body, where the target has none.
 */
export async function answerAdmin(
  method: string,
  target: string,
  view: AdminView,
  form = '',
): Promise<AdminReply> {
  const question = target.indexOf('?');
  const path = question === -1 ? target : target.slice(0, question);
  const page = pages.find((candidate) => candidate.path === path);
  if (page === undefined) return textReply(`invalid path. ${helpText()}`, 404);
  if (page.method === 'POST' && method !== 'POST')
    return textReply(`Method ${method} not allowed, POST required.`, 405);
  const query = question === -1 ? '' : target.slice(question + 1);
  return page.answer(new URLSearchParams(query === '' ? form : query), view);
}

function homeHtml(): string {
  const rows = pages.map(({ path, method, help }) => {
    const name = path.slice(1);
    const command =
      method === 'GET'
        ? `<a href="${path}">${name === '' ? '/' : name}</a>`
        : `<form action="${path}" method="post"><button>${name}</button></form>`;
    return `<tr><td>${command}</td><td>${help.replace(/&/g, '&amp;').replace(/</g, '&lt;')}</td></tr>`;
  });
  return [
    '<!DOCTYPE html>',
    '<html lang="en"><head><meta charset="utf-8"><title>Heddle admin</title></head>',
    `<body><table><tbody>${rows.join('\n')}</tbody></table></body></html>`,
    '',
  ].join('\n');
}
