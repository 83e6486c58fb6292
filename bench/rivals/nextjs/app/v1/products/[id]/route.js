import { answer } from '../../../../answer.mjs';
import { prepared } from '../../../../../store.mjs';

export const dynamic = 'force-dynamic';
const product = prepared('product');

export const GET = async (_, { params }) => answer(await product(await params));
