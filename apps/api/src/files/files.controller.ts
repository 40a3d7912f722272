import { Controller, Delete, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { fileListQuerySchema, type DeletedFile, type File, type List } from '@sconce/contracts';
import { BatchProducer } from '@sconce/queue';
import { onlyOwnerOf } from '../access/install-access.ts';
import { STREAM_BODY } from '../http/body-parser.ts';
import { listResource, readQuery } from '../http/list-query.ts';
import { sendContent } from '../http/send-content.ts';
import { FileContents } from './file-contents.ts';
import { toFileResource } from './file-resource.ts';
import { receiveFile } from './file-upload.ts';

/** Files as OpenAI's clients handle them: datasets and results of batches. */
@Controller('v1/files')
export class FilesController {
  constructor(
    @Inject(BatchProducer) private readonly producer: BatchProducer,
    @Inject(FileContents) private readonly contents: FileContents,
  ) {}

  @Post()
  @RouteConfig(STREAM_BODY)
  async create(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const file = await receiveFile(request, this.producer);
    void reply.status(200).send(toFileResource(file));
  }

  @Get()
  async list(@Query() query: unknown, @Req() request: FastifyRequest): Promise<List<File>> {
    const asked = readQuery(query, fileListQuerySchema);
    const { files, more } = await this.producer.files({ ...asked, ofOwner: onlyOwnerOf(request) });
    return listResource(files.map(toFileResource), more);
  }

  @Get(':id')
  async get(@Param('id') id: string, @Req() request: FastifyRequest): Promise<File> {
    return toFileResource(await this.producer.file(id, onlyOwnerOf(request)));
  }

  @Get(':id/content')
  async content(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const file = await this.producer.file(id, onlyOwnerOf(request));
    sendContent(reply, await this.contents.open(file), file);
  }

  @Delete(':id')
  async remove(@Param('id') id: string, @Req() request: FastifyRequest): Promise<DeletedFile> {
    await this.producer.deleteFile(id, onlyOwnerOf(request));
    return { id, object: 'file', deleted: true };
  }
}
