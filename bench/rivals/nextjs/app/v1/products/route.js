import { answer } from '../../../answer.mjs';
import { prepared } from '../../../../store.mjs';

export const dynamic = 'force-dynamic';
const catalogue = prepared('catalogue');

export const GET = async () => answer(await catalogue());
